"""What is estimated of some instruments does not depend on what else is in the window."""

import numpy as np
import pyarrow as pa
import pytest

from imbalance.studies.coherence.build import build as build_coherence
from imbalance.studies.coherence.study import CoherenceFamily
from imbalance.studies.correlation.build import build as build_correlation
from imbalance.studies.correlation.study import CorrelationFamily
from imbalance.studies.dependence.build import build as build_dependence
from imbalance.studies.dependence.study import DependenceFamily
from imbalance.studies.dynamics.build import build as build_dynamics
from imbalance.studies.dynamics.study import DynamicsFamily
from imbalance.studies.feedback.build import build as build_feedback
from imbalance.studies.feedback.study import FeedbackFamily
from imbalance.studies.feedback_index.build import build as build_feedback_index
from imbalance.studies.feedback_index.study import FeedbackIndexFamily
from imbalance.studies.liquidity.build import build as build_liquidity
from imbalance.studies.liquidity.study import LiquidityFamily
from imbalance.studies.price_impact.build import build as build_price_impact
from imbalance.studies.price_impact.study import PriceImpactFamily
from imbalance.studies.study_input import StudyInput
from imbalance.studies.volatility.build import build as build_volatility
from imbalance.studies.volatility.study import VolatilityFamily
from tests.studies.conftest import DAY, bars_table

SECOND = 1_000_000_000
FLOW, RETURN = "order_flow_imbalance", "return_bps"
MEASURES = (FLOW, RETURN, "depth_touch_mean", "realised_variance", "trade_imbalance",
            "trade_notional", "vwap")
PERPETUAL, SPOT, OTHER = "binance-futures:BTCUSDT", "binance:BTCUSDT", "kraken:XMR/USD"
SERIES = {"x_measures": (FLOW,), "y_measures": (RETURN,), "regimes": ("depth", "time"),
          "pairs": ("own", "cross")}
STUDIES = [
    (build_correlation, CorrelationFamily, SERIES | {"replications": 99}),
    (build_dependence, DependenceFamily, SERIES | {"surrogates": 19}),
    (build_dynamics, DynamicsFamily, SERIES | {"windows": (60,), "points": 5}),
    (build_coherence, CoherenceFamily, SERIES | {"surrogates": 19}),
    (build_feedback, FeedbackFamily,
     {"variables": (FLOW, RETURN), "systems": ("own",), "largest_system": 4, "replications": 100}),
    (build_feedback_index, FeedbackIndexFamily,
     {"pairs": ("own", "cross"), "replications": 100, "horizon": 5, "maximum_lag": 2}),
    (build_price_impact, PriceImpactFamily, {"replications": 100}),
    (build_liquidity, LiquidityFamily, {}),
    (build_volatility, VolatilityFamily,
     {"relations": ("own", "perpetual_to_spot"), "replications": 100}),
]
OF_ALL = ("window_from", "window_to", "available_at", "moment", "part_from", "part_to")


def stretch(generator, name, start, count):
    """Bars one after the other, of flows that move the price and of regimes that persist."""
    values = dict(zip(MEASURES, generator.standard_normal((len(MEASURES), count)), strict=True))
    values[RETURN] += 0.5 * values[FLOW]
    for measure in ("depth_touch_mean", "realised_variance", "trade_notional", "vwap"):
        values[measure] = np.exp(0.1 * values[measure])
    return bars_table({name: values}, start=start)


def estimates(build, family, bars):
    """Rows about the pair by what they are about, without what is said of the whole window."""
    found = {}
    for name, table in build(StudyInput.of_bars({"1s": bars}, [family], partition="all")).items():
        for number, row in enumerate(table.to_pylist()):
            names = f"{row['instrument_x']} {row['instrument_y']} {row.get('model')}"
            if OTHER in names or row["reason"] == "no_pair":
                continue
            kept = {column: value for column, value in row.items()
                    if column not in OF_ALL and not column.startswith("q_value")}
            found[name, number] = kept
    return list(found.values())


@pytest.mark.parametrize(("build", "family", "settings"), STUDIES,
                         ids=[family.__name__ for _, family, _ in STUDIES])
def test_an_instrument_of_other_days_changes_nothing_of_a_pair(build, family, settings):
    generator = np.random.default_rng(3)
    # Two stretches with a gap between them that no lag reaches over.
    pair = [stretch(generator, name, DAY + begin * SECOND, count)
            for name, shift in ((PERPETUAL, 0), (SPOT, 3))
            for begin, count in ((shift, 2_400), (5_000 + shift, 2_400))]
    other = [stretch(generator, OTHER, DAY + begin * SECOND, count)
             for begin, count in ((-86_400 * 900, 700), (3_000, 40), (3_300, 1), (86_400 * 500, 9))]
    one = family(name="f", question="?", bar_sizes=("1s",), **settings)
    alone = estimates(build, one, pa.concat_tables(pair))
    beside = estimates(build, one, pa.concat_tables([*pair, *other]))
    assert sum(row["estimate"] is not None for row in alone) > 3
    assert len(alone) == len(beside)
    for row, same in zip(alone, beside, strict=True):
        for column, value in row.items():
            if isinstance(value, float):
                assert same[column] == pytest.approx(value, rel=1e-9, nan_ok=True), (row, same)
            else:
                assert same[column] == value, (column, row, same)
