"""What was compared with an oracle, and the table of it: `make oracles`.

Belongs here: the fixture that compares and takes note, and the printing of the notes.
Not here: what is compared and how near it must come; that stands in the tests.
"""

import numpy as np
import pytest

ORACLES = (
    "A1", "B1", "C1", "C1b", "C3", "C5", "D1", "D2", "G1", "H1", "HF1", "I1", "I2", "I3", "J1",
    "K1", "L1", "M1", "O2", "P2", "S1", "V1", "V3", "W1",
    "Sim1", "Sim2", "Sim3", "Sim4", "Sim5", "Sim6", "Sim7", "Sim8", "Sim10", "Sim11",
)  # fmt: skip
"""Reference values and planted truths of the studies and the book; the table tells which of them no
test of the run has met."""

HEADER = ("study", "oracle", "what", "values", "expected", "got", "tolerance", "seconds")
NUMBERS = HEADER[3:]


class Oracle:
    """Compares with the oracle that the test's marker names, and takes note for the table."""

    def __init__(self, name, study, record):
        self.name, self.study, self._record = name, study, record

    def agrees(self, what, got, expected, *, atol=0.0, rtol=0.0):
        """Fail unless |got − expected| ≤ atol, or ≤ rtol |expected|, for each value; where both are
        given, unless it is within both.

        The value noted is the one that is farthest off.
        """
        got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
        assert got.shape == expected.shape, what
        off, relative = np.abs(got - expected), rtol * np.abs(expected)
        allowed = np.minimum(atol, relative) if atol and rtol else atol + relative
        worst = np.unravel_index(np.argmax(off / np.where(allowed > 0.0, allowed, 1.0)), off.shape)
        bounds = [f"{atol:.3g}"] * bool(atol) + [f"{rtol:.3g} of it"] * bool(rtol)
        tolerance = " and ".join(bounds) or "exact"
        self._note(what, got.size, f"{expected[worst]:.9g}", f"{got[worst]:.9g}", tolerance)
        assert (off <= allowed).all(), (
            f"{what}: {got[worst]!r} where {expected[worst]!r} is expected, within {tolerance}")

    def lies(self, what, got, low, high):
        """Fail unless low ≤ got ≤ high."""
        self._note(what, 1, f"{low:.6g} to {high:.6g}", f"{got:.6g}", "the range")
        assert low <= got <= high, what

    def _note(self, *cells):
        self._record("oracle", [self.study, self.name, *map(str, cells)])


@pytest.fixture
def oracle(request, record_property):
    """What the marker `oracle(name, study)` of the test or its module names."""
    name, study = request.node.get_closest_marker("oracle").args
    assert name in ORACLES
    return Oracle(name, study, record_property)


def pytest_addoption(parser):
    parser.addoption("--oracle-table", action="store_true", help="print what oracles were met")


def pytest_terminal_summary(terminalreporter, config):
    if not config.getoption("--oracle-table"):
        return
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            seconds = f"{report.duration:.2f}" + " FAILED" * (outcome == "failed")
            rows += [(*cells, seconds) for key, cells in report.user_properties if key == "oracle"]
    rows.sort(key=lambda row: (row[0], ORACLES.index(row[1])))
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    terminalreporter.section("oracles")
    for row in (HEADER, *rows):
        cells = [cell.rjust(width) if name in NUMBERS else cell.ljust(width)
                 for cell, width, name in zip(row, widths, HEADER, strict=True)]
        terminalreporter.write_line("  ".join(cells).rstrip())
    missing = [name for name in ORACLES if name not in {row[1] for row in rows}]
    terminalreporter.write_line(
        f"\n{len(rows)} comparisons; seconds are those of the test; "
        f"without a row: {', '.join(missing) or 'none'}")
