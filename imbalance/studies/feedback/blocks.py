"""Causality between groups of variables of one system: all flows and all returns, one instrument
and the rest. Causality between single variables is in `estimate.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from imbalance.studies.columns import ANY
from imbalance.studies.granger_causality import CausalityTest, granger, instantaneous
from imbalance.studies.pairs import Series
from imbalance.studies.vector_autoregression import VectorAutoregression

LARGEST_ROBUST = 60
"""Coefficients that a robust test of a group takes: its covariance has the square of that."""


@dataclass(frozen=True)
class Block:
    """A group of variables: what it is called, and their numbers."""

    instrument: str
    measure: str
    variables: tuple[int, ...]


@dataclass(frozen=True)
class BlockTest:
    """A test of one group on another."""

    cause: Block
    effect: Block
    estimator: str
    test: Callable[[], CausalityTest]

    @property
    def contemporaneous(self) -> bool:
        """Whether it is about shocks in the same bar."""
        return self.estimator == "block_instantaneous"


def block_tests(
    series: Sequence[Series], model: VectorAutoregression
) -> Iterator[BlockTest]:
    """Every measure on every other, over all instruments; every instrument and the rest.

    Parameters
    ----------
    series : (instrument, measure) of the model's variables; with one instrument there is nothing
        to test that single variables do not say.
    """
    instruments = list(dict.fromkeys(instrument for instrument, _ in series))
    if len(instruments) < 2:
        return
    measures = [_of(series, ANY, measure) for measure in dict.fromkeys(m for _, m in series)]
    pairs = [(cause, effect) for cause in measures for effect in measures if cause != effect]
    for instrument in instruments:
        own = _of(series, instrument, ANY)
        rest = Block(ANY, ANY, tuple(
            number for number in range(len(series)) if number not in own.variables))
        pairs += [(own, rest), (rest, own)]
    for cause, effect in pairs:
        of = model, cause.variables, effect.variables
        yield BlockTest(cause, effect, "block_f", partial(granger, *of))
        if len(cause.variables) * len(effect.variables) * model.lag <= LARGEST_ROBUST:
            yield BlockTest(cause, effect, "block_wald_hac",
                            partial(granger, *of, "hac"))
        if min(cause.variables) < min(effect.variables):
            yield BlockTest(cause, effect, "block_instantaneous",
                            partial(instantaneous, *of, robust=True))


def _of(series: Sequence[Series], instrument: str, measure: str) -> Block:
    """Variables of an instrument, of a measure, or of both."""
    return Block(instrument, measure, tuple(
        number for number, (i, m) in enumerate(series)
        if instrument in (i, ANY) and measure in (m, ANY)))
