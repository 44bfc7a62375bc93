"""Configuration: one TOML file, validated; everything has a working default.

What a setting does to the numbers belongs to the module that reads it; here are only its name,
its type, its default and what is allowed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from imbalance.errors import UserError, nearest


@dataclass(frozen=True)
class CapturesConfig:
    """`[captures]`: where new files are looked for and how many bad lines are too many."""

    watch: tuple[str, ...] = ()
    """Directories the sensor looks into for new capture files."""
    quarantine_limit: float = 0.05
    """Largest share of a published day's lines that may be quarantined, 0 to 1."""


@dataclass(frozen=True)
class BookConfig:
    """`[book]`: depth of `book.book_states` and the silence that poisons bars."""

    levels: int = 10
    """Levels a side in `book.book_states`, 1 to 50."""
    silent_after_seconds: float = 60.0
    """Silence of a book feed beyond which its bars are poisoned, at least 1."""


@dataclass(frozen=True)
class FeaturesConfig:
    """`[features]`: how much the bars in event time and volume time hold."""

    book_events_per_bar: int = 500
    """Changes of the best levels of the book in a bar of `features.event_bars`, at least 1."""
    trades_per_volume_bar: int = 500
    """A bar of `features.volume_bars` holds what so many trades have on average, at least 1."""


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

    bar_sizes: tuple[str, ...] = ("1s", "10s")
    """Bar sizes that are studied: 100ms, 1s, 10s, 1m, 5m."""
    replications: int = 999
    """Bootstrap replications, at least 99."""
    seed: int = 20240808
    """Seed of every random draw."""
    significance: float = 0.05
    """Level of intervals and of the false discovery rate, between 0 and 0.5."""
    horizon: int = 20
    """Steps of the impulse responses, 1 to 200."""
    maximum_lag: int = 10
    """Largest lag order tried for vector autoregressions, 1 to 60."""
    trailing_windows: tuple[int, ...] = (5, 20)
    """Days, 2 to 366, over which each study is also run up to each day; empty: over none."""
    families: Mapping[str, Mapping[str, NamedSettings]] = field(default_factory=dict)
    """Study, then family, to the settings in which it differs from its default; or a new family."""


@dataclass(frozen=True)
class PublishConfig:
    """`[publish]`: how long a publisher waits for another one."""

    patience_seconds: float = 60.0
    """Seconds to wait before giving up with exit code 4."""


@dataclass(frozen=True)
class AlertsConfig:
    """`[alerts]`: when a feed counts as broken, and who is told of that and of failed runs."""

    command: tuple[str, ...] = ()
    """Program and arguments, given the alert as JSON on its standard input."""
    file: str = ""
    """File to which each alert is added as a line of JSON."""
    webhook: str = ""
    """Address on this machine to which each alert is posted as JSON."""
    due_hours: float = 3.0
    """Hours after the end of a day by which its features are due, 0 to 48."""
    least_usable: float = 0.5
    """Share of an instrument's bars below which its feed counts as broken, 0 to 1."""


@dataclass(frozen=True)
class Config:
    """All settings. `multipliers` adds contract multipliers of inverse instruments."""

    first_day: str = ""
    """First day of the partitions, YYYY-MM-DD; empty: the earliest day registered."""
    captures: CapturesConfig = field(default_factory=CapturesConfig)
    book: BookConfig = field(default_factory=BookConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    studies: StudiesConfig = field(default_factory=StudiesConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    multipliers: Mapping[str, float] = field(default_factory=dict)
    """`[multipliers]`: instrument to quote units per contract."""
    volume_bars: Mapping[str, float] = field(default_factory=dict)
    """`[volume_bars]`: instrument to base units of a bar of `features.volume_bars`."""
    formats: Mapping[str, NamedSettings] = field(default_factory=dict)
    """`[formats.NAME]`: a format of the user's own, by its columns."""


_BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    ("captures", "quarantine_limit"): (0.0, 1.0),
    ("book", "levels"): (1, 50),
    ("book", "silent_after_seconds"): (1.0, 86_400.0),
    ("features", "book_events_per_bar"): (1, 10_000_000),
    ("features", "trades_per_volume_bar"): (1, 10_000_000),
    ("studies", "replications"): (99, 100_000),
    ("studies", "seed"): (0, 2**63 - 1),
    ("studies", "significance"): (1e-6, 0.5),
    ("studies", "horizon"): (1, 200),
    ("studies", "maximum_lag"): (1, 60),
    ("studies", "trailing_windows"): (2, 366),
    ("publish", "patience_seconds"): (0.0, 86_400.0),
    ("alerts", "due_hours"): (0.0, 48.0),
    ("alerts", "least_usable"): (0.0, 1.0),
}
_CHOICES = {("studies", "bar_sizes"): ("100ms", "1s", "10s", "1m", "5m")}
_BY_INSTRUMENT = {"multipliers": "quote units per contract",
                  "volume_bars": "base units per bar"}
_SECTIONS = {
    "captures": CapturesConfig,
    "book": BookConfig,
    "features": FeaturesConfig,
    "studies": StudiesConfig,
    "publish": PublishConfig,
    "alerts": AlertsConfig,
}


def load_config(path: Path | None) -> Config:
    """Read and validate a configuration file; without one, all defaults.

    Raises
    ------
    UserError
        If the file cannot be read, is no TOML, or holds an unknown name or a value not allowed:
        with file, line, value, what is allowed and the nearest name.
    """
    if path is None:
        return Config()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the configuration cannot be read: {error}", where=str(path), allowed="a TOML file"
        ) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"the configuration is not TOML: {error}", where=str(path), allowed="TOML 1.0"
        ) from None
    return _Reader(path, text).config(data)


class _Reader:
    """Turns parsed TOML into a `Config`, knowing the text for the sake of line numbers."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def config(self, data: dict[str, Any]) -> Config:
        values: dict[str, Any] = {}
        names = [f.name for f in fields(Config)]
        for name, value in data.items():
            if name in _SECTIONS:
                values[name] = self._section(name, value)
            elif name in _BY_INSTRUMENT:
                values[name] = self._by_instrument(name, value)
            elif name == "formats":
                values[name] = self._named("formats", value, "tables [formats.NAME]")
            elif name == "first_day":
                values[name] = self._day(value)
            else:
                raise self._unknown(name, names)
        return Config(**values)

    def _section(self, section: str, table: object) -> Any:
        if not isinstance(table, dict):
            raise self._wrong(section, table, f"a table [{section}]")
        kind = _SECTIONS[section]
        hints = get_type_hints(kind)
        values = {}
        for name, value in table.items():
            if name not in hints:
                raise self._unknown(name, list(hints))
            values[name] = (
                self._families(value) if (section, name) == ("studies", "families")
                else self._value(section, name, value, hints[name])
            )
        return kind(**values)

    def _families(self, table: object) -> dict[str, dict[str, NamedSettings]]:
        allowed = "tables [studies.families.STUDY.FAMILY]"
        if not isinstance(table, dict):
            raise self._wrong("families", table, allowed)
        return {
            study: self._named(f"studies.families.{study}", families, allowed)
            for study, families in table.items()
        }

    def _named(self, place: str, table: object, allowed: str) -> dict[str, NamedSettings]:
        """The tables `[PLACE.NAME]`, each with the lines of its settings."""
        if not isinstance(table, dict):
            raise self._wrong(place.rpartition(".")[2], table, allowed)
        found: dict[str, NamedSettings] = {}
        for name, given in table.items():
            if not isinstance(given, dict):
                raise self._wrong(name, given, allowed)
            header = f"{place}.{name}]"
            lines = {one: self._where(one, after=header) for one in given}
            for below, values in given.items():
                if isinstance(values, dict):
                    after = f"{place}.{name}.{below}]"
                    lines[below] = self._where(after)
                    lines |= {f"{below}.{one}": self._where(one, after=after) for one in values}
            found[name] = NamedSettings(given, self._where(header), lines)
        return found

    def _value(self, section: str, name: str, value: object, hint: object) -> object:
        if hint in (int, float):
            low, high = _BOUNDS[(section, name)]
            right = isinstance(value, int) or (hint is float and isinstance(value, float))
            if not right or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]
                what = "a whole number" if hint is int else "a number"
                raise self._wrong(name, value, f"{what} from {low:g} to {high:g}")
            return value
        if hint is str:
            if not isinstance(value, str):
                raise self._wrong(name, value, "a string")
            if name == "webhook" and value and not _on_loopback(value):
                raise self._wrong(name, value, "http://127.0.0.1:PORT/… or http://localhost:PORT/…")
            return value
        if hint == tuple[int, ...]:
            return self._whole_numbers(section, name, value)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, value, "a list of strings")
        choices = _CHOICES.get((section, name))
        for item in value:
            if choices and item not in choices:
                raise self._wrong(name, item, ", ".join(choices))
        return tuple(value)

    def _whole_numbers(self, section: str, name: str, value: object) -> tuple[int, ...]:
        low, high = _BOUNDS[section, name]
        listed = value if isinstance(value, list) else [value]
        if not isinstance(value, list) or not all(
            type(item) is int and low <= item <= high for item in listed
        ):
            raise self._wrong(name, value, f"a list of whole numbers from {low:g} to {high:g}")
        return tuple(value)

    def _by_instrument(self, section: str, table: object) -> dict[str, float]:
        if not isinstance(table, dict):
            raise self._wrong(section, table, f"a table [{section}]")
        for name, value in table.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < float("inf"):
                raise self._wrong(name, value, f"a positive number of {_BY_INSTRUMENT[section]}")
        return {name: float(value) for name, value in table.items()}

    def _day(self, value: object) -> str:
        import datetime

        text = value.isoformat() if isinstance(value, datetime.date) else value
        try:
            return datetime.date.fromisoformat(str(text)).isoformat()
        except ValueError:
            raise self._wrong("first_day", value, "a day as YYYY-MM-DD") from None

    def _where(self, name: str, after: str = "") -> str:
        """File and line of a name: the first, or the first from a line on that begins so."""
        reached = not after
        for number, line in enumerate(self._lines, 1):
            stripped = line.strip().lstrip("[").lstrip('"')
            reached = reached or stripped.startswith(after)
            if reached and stripped.startswith(name):
                return f"{self._path}:{number}"
        return str(self._path)

    def _unknown(self, name: str, choices: list[str]) -> UserError:
        close = nearest(name, choices)
        return UserError(
            f"unknown setting {name!r}" + (f"; did you mean {close!r}?" if close else ""),
            where=self._where(name),
            allowed=", ".join(choices),
        )

    def _wrong(self, name: str, value: object, allowed: str) -> UserError:
        return UserError(f"{name} = {value!r} is not allowed", where=self._where(name),
                         allowed=allowed)


def _on_loopback(address: str) -> bool:
    """What leaves this machine needs secrets, and a program of its own that keeps them."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost") and (
            parts.port is None or parts.port > 0
        )
    except ValueError:
        return False


def as_settings(config: Config) -> dict[str, Any]:
    """What is made, as the plain values of a file that `load_config` reads back.

    Who is told of trouble is no part of it: that a program is named in a generation helps nobody.
    """
    plain = {f.name: getattr(config, f.name) for f in fields(Config)}
    if not config.first_day:
        del plain["first_day"]
    del plain["alerts"]
    for section in [name for name in _SECTIONS if name in plain]:
        part = getattr(config, section)
        plain[section] = {
            f.name: getattr(part, f.name) for f in fields(part) if f.name != "families"
        }
    families = {
        study: {family: dict(settings.values) for family, settings in of_study.items()}
        for study, of_study in config.studies.families.items()
    }
    if families:
        plain["studies"]["families"] = families
    plain["formats"] = {name: dict(given.values) for name, given in config.formats.items()}
    return plain


def to_toml(settings: Mapping[str, Any], place: tuple[str, ...] = ()) -> str:
    """Settings as the text of a file. JSON's texts, numbers and lists are TOML's as well."""
    values = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(map(json.dumps, place))}]"] if place and values else []
    lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items()]
    text = "\n".join(lines) + "\n" if lines else ""
    tables = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    return text + "".join(to_toml(table, (*place, name)) for name, table in tables.items())
