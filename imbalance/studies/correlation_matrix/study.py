"""The study of correlation matrices, declared: its question, its table, its families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbalance.config import StudiesConfig
from imbalance.contracts import Column
from imbalance.errors import UserError
from imbalance.studies.columns import PAIR_KEY, WINDOW_KEY, figure, study_table
from imbalance.studies.difference_tables import REASONS as DIFFERENCE_REASONS
from imbalance.studies.difference_tables import difference_table
from imbalance.studies.measures import REGIME_LEVELS, regime_columns
from imbalance.studies.study import Family, Study, at_least, only_known

REASONS = {
    "too_few_series": "fewer than two instruments have a series that can be used",
}

COMPARISON_REASONS = {
    "unequal_levels": "levels of too unequal size for their eigenvalues to be compared",
}

ABSORPTION = "absorption_ratio"
PAIRS = ("sample", "ledoit_wolf", "oracle_approximating", "clipped")
SYSTEM = (
    "mean_correlation", "eigenvalue", "noise_edge", "effective_observations", ABSORPTION,
    "intensity_ledoit_wolf", "intensity_oracle_approximating",
)

CORRELATION_MATRIX = study_table(
    "correlation_matrix",
    "Correlations of all instruments at once, shrunk and cleaned of noise; eigenvalues with the "
    "edge that noise reaches; what structure there is: clusters and the minimum spanning tree.",
    grain="family, window, bar size, measure, pair of instruments, estimator, rank and "
    "regime",
    estimators=(*PAIRS, "tree_edge", "cluster", *SYSTEM),
    x="one of the two; * for the whole matrix",
    y="the other; * for the whole matrix, and for the cluster of one instrument",
    estimate="Correlation, eigenvalue, distance √(2(1 − ρ)), share, number of rows or of a "
    "cluster, as the estimator says.",
    unit="of the estimator",
    interval="percentiles of a block bootstrap; by regime Student's t, with HAC errors",
    kind_null="always: all bars are of the same time",
    key=(*WINDOW_KEY, *PAIR_KEY, "rank", "regime"),
    reasons=REASONS,
    subject=(
        Column("rank", "INTEGER", "Place of an eigenvalue, the largest first; 0 for the others.",
               minimum=0, owner="studies"),
    ),
    extra=(
        figure("support", "Share of the replications that agree: the eigenvalue lies above the "
               "edge of noise, the edge is in the tree, the cluster has the same members.",
               "says nothing of this estimator", minimum=0.0, maximum=1.0),
    ),
)

CORRELATION_MATRIX_DIFFERENCE = difference_table(
    "correlation_matrix",
    of=("sample", "mean_correlation", ABSORPTION),
    x="one of the two; * for the whole matrix",
    y="the other; * for the whole matrix",
    kind_null="always: all bars are of the same time",
    reasons=COMPARISON_REASONS,
)


@dataclass(frozen=True, kw_only=True)
class MatrixFamily(Family):
    """Correlation matrices of one measure of all instruments.

    Regimes are those of all instruments together: terciles of the mean of their ranks.

    Parameters
    ----------
    measure : column of the bars whose correlations the matrix holds.
    farthest : distance √(2(1 − ρ)) up to which clusters are merged: 0.765 stands for ρ = 0.707,
        from which on half of the variance is shared.
    regimes : by whose levels matrices are compared; empty: by none.
    paired_by_regime : instruments up to which every pair is compared between levels; of more, the
        whole alone.
    replications : replications of the bootstrap of the intervals.
    seed : seed of its random draws.
    """

    measure: str
    farthest: float = 0.765
    regimes: tuple[str, ...] = tuple(REGIME_LEVELS)
    paired_by_regime: int = 12
    replications: int = 199
    seed: int = 20240808

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bar_sizes:
            raise UserError("no bar size is declared", where=self.where, allowed="at least one")
        only_known(self.regimes, list(REGIME_LEVELS), "regime", self.where)
        if not 0.0 < self.farthest < 2.0:
            raise UserError(f"farthest = {self.farthest}", where=self.where,
                            allowed="above 0 and below 2")
        at_least(self, replications=99)

    @property
    def measures(self) -> tuple[str, ...]:
        """Columns of the bars that the family reads."""
        return tuple(dict.fromkeys((self.measure, *regime_columns(self.regimes))))


def families(settings: StudiesConfig) -> Sequence[MatrixFamily]:
    """What is estimated unless the configuration says otherwise."""
    return (
        MatrixFamily(
            name="returns",
            question="How do the returns of all instruments move together once noise is taken "
            "out, and which belong together?",
            measure="return_bps",
            bar_sizes=settings.bar_sizes,
            significance=settings.significance,
            seed=settings.seed,
        ),
        MatrixFamily(
            name="order_flow",
            question="Is there one order flow behind that of all instruments?",
            measure="order_flow_imbalance",
            bar_sizes=settings.bar_sizes,
            significance=settings.significance,
            seed=settings.seed,
        ),
    )


STUDY = Study(
    name="correlation_matrix",
    title="Correlation matrices",
    question="How do all instruments move together once noise is taken out, how many forces are "
    "behind it, and which belong together?",
    tables=(CORRELATION_MATRIX, CORRELATION_MATRIX_DIFFERENCE),
    families=families,
    family=MatrixFamily,
    build="imbalance.studies.correlation_matrix.build:build",
    cost="a second a matrix of ten instruments; grows with the cube of the instruments",
    reasons=REASONS | DIFFERENCE_REASONS | COMPARISON_REASONS,
    section="imbalance.report.studies.correlation_matrix:section",
    figures={CORRELATION_MATRIX.name: "imbalance.report.studies.correlation_matrix:picture"},
)
