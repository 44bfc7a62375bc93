"""The settings: name, type, unit, default, meaning and what is allowed; all work as they are.

What a setting does to the numbers belongs to the module that reads it, and how a file of them is
read to `config_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class About:
    """What is said of a setting, and what it may be.

    Parameters
    ----------
    bounds : least and largest number, of the items where it is a list.
    choices : the texts it may hold; empty: any.
    secret : whether what it holds may be told to nobody, not even when it is wrong.
    """

    meaning: str
    unit: str = ""
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False


def setting(
    default: Any, meaning: str, unit: str = "", *, bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (), secret: bool = False,
) -> Any:
    """A field with its default and with what is said `about` it, which the page of settings shows
    and the reader of the file holds it to.
    """
    return field(default=default, metadata={"about": About(meaning, unit, bounds, choices, secret)})


def about(section: type, name: str) -> About:
    """What is said of a setting of a section."""
    found: About = next(f.metadata["about"] for f in fields(section) if f.name == name)
    return found


@dataclass(frozen=True)
class CapturesConfig:
    """`[captures]`: where new files are looked for and how many bad lines are too many."""

    watch: tuple[str, ...] = setting(
        (), "Directories the sensor looks into for new capture files.")
    quarantine_limit: float = setting(
        0.05, "Largest share of a published day's lines that may be quarantined.", "share",
        bounds=(0.0, 1.0))


@dataclass(frozen=True)
class BookConfig:
    """`[book]`: depth of `book.book_states` and the silence that poisons bars."""

    levels: int = setting(
        10, "Levels in `book.book_states`.", "levels a side", bounds=(1, 50))
    silent_after_seconds: float = setting(
        60.0, "Silence of a book feed beyond which its bars are poisoned; for images, whose pace "
        "tells more, the most it may be.", "s",
        bounds=(1.0, 86_400.0))


@dataclass(frozen=True)
class FeaturesConfig:
    """`[features]`: how much the bars in event time and volume time hold."""

    book_events_per_bar: int = setting(
        500, "Changes of the best levels of the book in a bar of `features.event_bars`.", "changes",
        bounds=(1, 10_000_000))
    trades_per_volume_bar: int = setting(
        500, "A bar of `features.volume_bars` holds what so many trades have on average.", "trades",
        bounds=(1, 10_000_000))


@dataclass(frozen=True)
class NamedSettings:
    """A table with a name of the user's own: settings as given, and where each of them stands.

    What they may be is known to those who read them: `[studies.families.STUDY.FAMILY]` in
    `imbalance.studies.families`, `[formats.NAME]` in `imbalance.captures.mapping`.
    """

    values: Mapping[str, Any]
    where: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudiesConfig:
    """`[studies]`: what is declared before any study runs."""

    bar_sizes: tuple[str, ...] = setting(
        ("1s", "10s"), "Bar sizes that are studied.", choices=("100ms", "1s", "10s", "1m", "5m"))
    replications: int = setting(
        999, "Bootstrap replications, of the studies that take them from here (below).",
        "replications", bounds=(99, 100_000))
    seed: int = setting(20240808, "Seed of every random draw.", bounds=(0, 2**63 - 1))
    significance: float = setting(
        0.05, "Level of intervals and of the false discovery rate.", "share", bounds=(1e-6, 0.5))
    horizon: int = setting(20, "Length of the impulse responses.", "bars", bounds=(1, 200))
    maximum_lag: int = setting(
        10, "Largest lag order tried for vector autoregressions.", "bars", bounds=(1, 60))
    trailing_windows: tuple[int, ...] = setting(
        (5, 20), "Lengths of the windows over which each study is also run up to each day; "
        "empty: over none.", "days", bounds=(2, 366))
    families: Mapping[str, Mapping[str, NamedSettings]] = field(default_factory=dict)
    """Study, then family, to the settings in which it differs from its default; or a new family."""


@dataclass(frozen=True)
class RunConfig:
    """`[run]`: how much of the machine a run takes."""

    processes: int = setting(
        0, "Processes of `imbalance run` that work side by side, on venues and studies; 0: one a "
        "core, or fewer where less than 4 GiB of memory are free for each.", "processes",
        bounds=(0, 1024))


@dataclass(frozen=True)
class PublishConfig:
    """`[publish]`: how long a publisher waits for another one."""

    patience_seconds: float = setting(
        60.0, "Wait before giving up with exit code 4.", "s", bounds=(0.0, 86_400.0))


@dataclass(frozen=True)
class AlertsConfig:
    """`[alerts]`: when a feed counts as broken, and who is told of that and of what has failed."""

    command: tuple[str, ...] = setting(
        (), "Program and arguments, given the alert as JSON on its standard input.", secret=True)
    file: str = setting("", "File to which each alert is added as a line of JSON; empty: none.")
    webhook: str = setting(
        "", "Address on this machine to which each alert is posted as JSON; empty: none.",
        secret=True)
    due_hours: float = setting(
        3.0, "Time after the end of a day by which its features are due.", "h", bounds=(0.0, 48.0))
    least_usable: float = setting(
        0.5, "Share of an instrument's bars below which its feed counts as broken.", "share",
        bounds=(0.0, 1.0))


Multiplier = float | Mapping[str, float]
"""What a contract is worth, as the file says it: a number (of an inverse contract), or a table with
one of `CONTRACT_FORMS`."""

CONTRACT_FORMS = {"inverse": "quote units per contract", "linear": "base units per contract"}
"""What a table of `[multipliers]` says of a contract, with its unit."""


def as_table(given: Multiplier) -> Mapping[str, float]:
    """One of `CONTRACT_FORMS` with its value."""
    return given if isinstance(given, Mapping) else {"inverse": given}


@dataclass(frozen=True)
class Config:
    """All settings, section by section."""

    first_day: str = setting(
        "", "First day of the partitions, YYYY-MM-DD; empty: the earliest day registered.",
        "day, UTC")
    captures: CapturesConfig = field(default_factory=CapturesConfig)
    book: BookConfig = field(default_factory=BookConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    studies: StudiesConfig = field(default_factory=StudiesConfig)
    run: RunConfig = field(default_factory=RunConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    multipliers: Mapping[str, Multiplier] = field(default_factory=dict)
    volume_bars: Mapping[str, float] = field(default_factory=dict)
    formats: Mapping[str, NamedSettings] = field(default_factory=dict)
    """`[formats.NAME]`: a format of the user's own, by its columns."""


SECTIONS = {
    "captures": CapturesConfig,
    "book": BookConfig,
    "features": FeaturesConfig,
    "studies": StudiesConfig,
    "run": RunConfig,
    "publish": PublishConfig,
    "alerts": AlertsConfig,
}
"""Tables of the file that have settings of given names."""

BY_INSTRUMENT = {
    "multipliers": About(
        "What a contract is worth: `{ linear = NUMBER }` base units, `{ inverse = NUMBER }` quote "
        "units; a number alone is of an inverse contract. Of one sized in base units: "
        "`{ linear = 1 }`.", "base or quote units per contract"),
    "volume_bars": About("Size of the bars of `features.volume_bars` of an instrument.",
                         "base units per bar"),
}
"""Tables of the file that have a positive number by instrument, `[multipliers]` in two forms."""
