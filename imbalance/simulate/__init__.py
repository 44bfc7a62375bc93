"""A market with planted truth, written out in the wire formats of real captures.

Belongs here: random processes whose parameters are known, the book that realises them, the files,
the truth that goes beside the files, and the comparison of what a study found with it.
Not here: anything that reads captures or estimates: what is examined has no part in its examiner.
"""

from imbalance.simulate.market import simulate_market
from imbalance.simulate.scenario import Gap, Link, Scenario, SimulatedInstrument
from imbalance.simulate.truth import Truth, load_truth

__all__ = [
    "Gap",
    "Link",
    "Scenario",
    "SimulatedInstrument",
    "Truth",
    "load_truth",
    "simulate_market",
]
