"""Everything that is read off one matrix of rows, in a form that a bootstrap can repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.correlation_matrix.shrinkage import (
    ledoit_wolf,
    oracle_approximating,
    sample_covariance,
    to_correlation,
)
from imbalance.studies.correlation_matrix.spectrum import (
    absorbing,
    absorption_ratio,
    clip,
    marchenko_pastur_edges,
    spectrum,
)
from imbalance.studies.correlation_matrix.structure import (
    average_linkage,
    clusters,
    distances,
    spanning_tree,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class MatrixEstimate:
    """Estimates of one sample; not its rows, of which every replication would keep a copy."""

    correlations: Mapping[str, Matrix]
    """Name of the estimator to the correlation matrix."""
    intensities: Mapping[str, float]
    """Name of the shrinkage to how far it shrinks."""
    noise_edge: float
    """λ+ of Marchenko and Pastur."""
    farthest: float

    @classmethod
    def of(cls, rows: Matrix, observations: float, farthest: float) -> MatrixEstimate:
        """Estimates of rows × instruments, all there, every column varying.

        `observations` is the number of rows that the edge of noise counts with.
        """
        # Columns with mean 0 and variance 1, so that shrinkage is towards no correlation.
        standardised = rows - rows.mean(axis=0)
        standardised /= standardised.std(axis=0)
        sample = to_correlation(sample_covariance(standardised))
        shrunk = {
            "ledoit_wolf": ledoit_wolf(standardised),
            "oracle_approximating": oracle_approximating(standardised),
        }
        edge = marchenko_pastur_edges(rows.shape[1], observations)[1]
        correlations = {name: to_correlation(one.covariance) for name, one in shrunk.items()}
        return cls(
            {"sample": sample, **correlations, "clipped": clip(sample, edge)},
            {name: one.intensity for name, one in shrunk.items()}, edge, farthest,
        )

    @property
    def sample(self) -> Matrix:
        return self.correlations["sample"]

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64]:
        return spectrum(self.sample).values

    @property
    def mean(self) -> float:
        """Mean of the correlations of all pairs."""
        return float(self.sample[np.triu_indices(len(self.sample), 1)].mean())

    @property
    def absorption(self) -> float:
        """Share of the largest fifth of the eigenvalues (at least one) in their sum."""
        return absorption_ratio(self.eigenvalues, absorbing(len(self.eigenvalues)))

    @cached_property
    def tree(self) -> Mapping[tuple[int, int], float]:
        """Edges of the spanning tree, the smaller column first, to their lengths."""
        edges = spanning_tree(distances(self.sample))
        return {(min(e.first, e.second), max(e.first, e.second)): e.distance for e in edges}

    @cached_property
    def labels(self) -> NDArray[np.intp]:
        """Cluster of every column, from 0."""
        merges = average_linkage(distances(self.sample))
        return clusters(merges, len(self.sample), self.farthest)

    @property
    def members(self) -> list[frozenset[int]]:
        """Columns of the cluster of every column."""
        return [frozenset(np.flatnonzero(self.labels == label).tolist()) for label in self.labels]
