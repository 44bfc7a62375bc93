"""Everything that is read off one matrix of rows, in a form that a bootstrap can repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imbalance.studies.correlation_matrix.shrinkage import (
    Shrunk,
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
    """Estimates of one sample: rows × instruments, all there, every column varying.

    `observations` is the number of rows that the edge of noise counts with.
    """

    rows: Matrix
    observations: float
    farthest: float

    @cached_property
    def standardised(self) -> Matrix:
        """Columns with mean 0 and variance 1, so that shrinkage is towards no correlation."""
        centred = self.rows - self.rows.mean(axis=0)
        return np.asarray(centred / centred.std(axis=0), dtype=np.float64)

    @cached_property
    def sample(self) -> Matrix:
        return to_correlation(sample_covariance(self.standardised))

    @cached_property
    def shrunk(self) -> Mapping[str, Shrunk]:
        return {
            "ledoit_wolf": ledoit_wolf(self.standardised),
            "oracle_approximating": oracle_approximating(self.standardised),
        }

    @cached_property
    def correlations(self) -> Mapping[str, Matrix]:
        """Name of the estimator to the correlation matrix."""
        shrunk = {name: to_correlation(of.covariance) for name, of in self.shrunk.items()}
        return {"sample": self.sample, **shrunk, "clipped": clip(self.sample, self.noise_edge)}

    @cached_property
    def noise_edge(self) -> float:
        """λ+ of Marchenko and Pastur."""
        return marchenko_pastur_edges(self.rows.shape[1], self.observations)[1]

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
