"""Simulate a market and write it out as Binance captures with the planted truth beside them.

Belongs here: the order of the steps, the files, their names and rotation.
Not here: what is drawn (dynamics, orderbook), what is sent (feeds, messages).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import zlib
from bisect import bisect_left
from dataclasses import replace
from pathlib import Path

import numpy as np

from imbalance.errors import UserError, cannot_write
from imbalance.progress import SILENT, Progress
from imbalance.simulate.dynamics import draw_paths, joint_system, own_flow_system
from imbalance.simulate.feeds import build_feed
from imbalance.simulate.messages import FOLDERS
from imbalance.simulate.orderbook import drive_book, schedule_events
from imbalance.simulate.processes import LARGEST_ROOT, spectral_radius
from imbalance.simulate.scenario import Scenario, SimulatedInstrument
from imbalance.simulate.truth import (
    FILE_NAME,
    CaptureFile,
    Truth,
    derive_truth,
    describe_scenario,
    load_truth,
)

DAY_NS = 86_400 * 10**9
LINES_AT_ONCE = 20_000


def simulate_market(directory: Path, scenario: Scenario, progress: Progress | None = None) -> Truth:
    """Write the captures of a scenario and `truth.json`.

    Files are `<spot|usdm|cm>/<symbol>_<YYYYMMDD>.gz` and turn over at midnight UTC of the receive
    time; only an instrument's first one has a snapshot. Equal scenarios give equal bytes.

    Parameters
    ----------
    directory : an empty or new directory, or one that holds this very scenario: then nothing is
        written again as long as its files are whole.
    progress : told of every file and its bytes.

    Raises
    ------
    UserError
        When the directory holds something else or cannot be written, or the scenario's dynamics
        are not stable.
    """
    try:
        return _simulate(directory, scenario, progress or SILENT)
    except OSError as error:
        raise cannot_write(directory, error, "simulation: directory") from None


def _simulate(directory: Path, scenario: Scenario, progress: Progress) -> Truth:
    system = joint_system(scenario)
    apart = [own_flow_system(one)[0] for one in scenario.instruments
             if one.name not in system.members]
    if max(map(spectral_radius, [system.coefficients, *apart])) > LARGEST_ROOT:
        raise UserError(
            "the planted dynamics are not stable: flow and return would grow without bound",
            where="simulation: persistence, feedback and impact",
            allowed=f"no eigenvalue above {LARGEST_ROOT}; "
            "feedback × impact + the sum of persistence below 1",
        )
    written = _already_written(directory, scenario)
    if written is not None:
        return written
    for instrument in scenario.instruments:
        (directory / FOLDERS[instrument.venue]).mkdir(parents=True, exist_ok=True)
    paths = draw_paths(scenario, system, np.random.default_rng([scenario.seed, 0]))
    files: list[CaptureFile] = []
    for number, instrument in enumerate(scenario.instruments, start=1):
        progress.advance(note=f"simulating {instrument.name}")
        # A stream of its own for each purpose: losses change nothing of the market they befall.
        rng = np.random.default_rng([scenario.seed, number, 0])
        losses = np.random.default_rng([scenario.seed, number, 1])
        path = paths[instrument.name]
        book = drive_book(instrument, schedule_events(instrument, path, rng), rng)
        times, texts = build_feed(scenario, instrument, path, book, rng, losses).ordered()
        for capture, size in _write_days(directory, scenario, instrument, times, texts):
            files.append(capture)
            progress.advance(bytes=size, events=capture.lines, files=1)
    truth = replace(derive_truth(scenario), files=tuple(files))
    truth.write(directory)
    return truth


def _already_written(directory: Path, scenario: Scenario) -> Truth | None:
    """The truth, where the directory holds exactly this scenario and its files are whole."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return None
    if not directory.is_dir() or not (directory / FILE_NAME).is_file():
        raise UserError(
            f"{directory} holds something other than a simulation",
            allowed="a new or empty directory",
            fix="name another directory",
        )
    truth = load_truth(directory)
    if truth.scenario != describe_scenario(scenario):
        raise UserError(
            f"{directory} holds another simulation",
            where=str(directory / FILE_NAME),
            allowed="a new or empty directory, or the same scenario again",
            fix="name another directory",
        )
    for file in truth.files:
        path = directory / file.path
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
            return None
    return truth


def _write_days(
    directory: Path,
    scenario: Scenario,
    instrument: SimulatedInstrument,
    times: list[int],
    texts: list[str],
) -> list[tuple[CaptureFile, int]]:
    """Write one file per day of receipt, the last one cut short if the scenario says so."""
    written = []
    share = dict(scenario.truncations).get(instrument.name, 1.0)
    first = 0
    while first < len(times):
        day = times[first] // DAY_NS
        last = bisect_left(times, (day + 1) * DAY_NS)
        date = dt.datetime.fromtimestamp(day * 86_400, dt.UTC)
        name = f"{instrument.symbol.lower()}_{date:%Y%m%d}.gz"
        path = directory / FOLDERS[instrument.venue] / name
        data, lines = _compress(times[first:last], texts[first:last]), last - first
        if last == len(times) and share < 1.0:
            data = data[: round(len(data) * share)]
            lines = zlib.decompressobj(wbits=31).decompress(data).count(b"\n")
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        capture = CaptureFile(
            path.relative_to(directory).as_posix(), instrument.name, lines, digest
        )
        written.append((capture, len(data)))
        first = last
    return written


def _compress(times: list[int], texts: list[str]) -> bytes:
    """Gzip of `<receive ns> <message>` lines, without time and name: same in, same out."""
    out = io.BytesIO()
    packer = zlib.compressobj(level=1, wbits=31)
    for first in range(0, len(times), LINES_AT_ONCE):
        lines = zip(
            times[first : first + LINES_AT_ONCE], texts[first : first + LINES_AT_ONCE], strict=True
        )
        out.write(packer.compress("".join([f"{t} {text}\n" for t, text in lines]).encode()))
    out.write(packer.flush())
    return out.getvalue()
