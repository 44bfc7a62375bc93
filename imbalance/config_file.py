"""The settings as a file: TOML, validated, and written.

Everything wrong is refused with file, line, value, what is allowed and the nearest name. What there
is to be set is `config`'s.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from imbalance.config import (
    BY_INSTRUMENT,
    CONTRACT_FORMS,
    SECTIONS,
    Config,
    Multiplier,
    NamedSettings,
    about,
    as_table,
)
from imbalance.errors import MEND_SETTINGS, UserError, nearest


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
            f"the configuration cannot be read: {error}", where=str(path), allowed="a TOML file",
            fix="give another one with --config, or none for the defaults",
        ) from None
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"the configuration is not TOML: {error}", where=str(path), allowed="TOML 1.0",
            fix="mend the line it names",
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
            if name in SECTIONS:
                values[name] = self._section(name, value)
            elif name == "multipliers":
                values[name] = self._multipliers(value)
            elif name in BY_INSTRUMENT:
                values[name] = self._by_instrument(name, value)
            elif name == "formats":
                values[name] = self._named("formats", value, "tables [formats.NAME]")
            elif name == "first_day":
                values[name] = self._day(value)
            else:
                raise self._unknown(name, names)
        return Config(**values)

    def _section(self, section: str, table: object) -> Any:
        kind = SECTIONS[section]
        hints = get_type_hints(kind)
        if not isinstance(table, dict):
            secret = any(about(kind, name).secret for name in hints)
            raise self._wrong(section, table, f"a table [{section}]", secret=secret)
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
        said = about(SECTIONS[section], name)
        if hint in (int, float) and said.bounds:
            low, high = said.bounds
            right = isinstance(value, int) or (hint is float and isinstance(value, float))
            if not right or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]
                what = "a whole number" if hint is int else "a number"
                raise self._wrong(name, value, f"{what} from {low:g} to {high:g}")
            return value
        if hint is str:
            if not isinstance(value, str):
                raise self._wrong(name, value, "a string", secret=said.secret)
            if name == "webhook" and value and not _on_loopback(value):
                allowed = "http://127.0.0.1:PORT/… or http://localhost:PORT/…"
                raise self._wrong(name, value, allowed, secret=said.secret)
            return value
        if hint == tuple[int, ...] and said.bounds:
            return self._whole_numbers(name, value, *said.bounds)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, value, "a list of strings", secret=said.secret)
        for item in value:
            if said.choices and item not in said.choices:
                raise self._wrong(name, item, ", ".join(said.choices))
        return tuple(value)

    def _whole_numbers(
        self, name: str, value: object, low: float, high: float
    ) -> tuple[int, ...]:
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
            self._check_instrument(name, section)
            if not _positive(value):
                unit = BY_INSTRUMENT[section].unit
                raise self._wrong(name, value, f"a positive number of {unit}")
        return {name: float(value) for name, value in table.items()}

    def _check_instrument(self, name: str, section: str) -> None:
        """Refuse what is no name of an instrument; which venues there are is not known here."""
        venue, _, symbol = name.partition(":")
        if not venue or not symbol:
            raise UserError(
                f"{name!r} is no instrument", where=self._where(name, after=section),
                allowed="VENUE:SYMBOL, such as binance-delivery:BTCUSD_PERP", fix=MEND_SETTINGS,
            )

    def _multipliers(self, table: object) -> dict[str, Multiplier]:
        if not isinstance(table, dict):
            raise self._wrong("multipliers", table, "a table [multipliers]")
        found: dict[str, Multiplier] = {}
        for name, value in table.items():
            self._check_instrument(name, "multipliers")
            said = as_table(value)
            if len(said) != 1 or not said.keys() <= CONTRACT_FORMS.keys() or not all(
                map(_positive, said.values())
            ):
                at = self._where(f'multipliers."{name}"')
                raise UserError(
                    f"{name} = {value!r} is not allowed",
                    where=at if at != str(self._path) else self._where(name, after="multipliers"),
                    allowed="{ linear = NUMBER } of base units per contract, { inverse = NUMBER } "
                    "of quote units, or a number, which is of an inverse contract; above 0",
                )
            found[name] = (
                {form: float(number) for form, number in value.items()}
                if isinstance(value, dict) else float(value)
            )
        return found

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
        meant = _elsewhere(name) or (repr(close) if close else "")
        return UserError(
            f"unknown setting {name!r}" + (f"; did you mean {meant}?" if meant else ""),
            where=self._where(name),
            allowed=", ".join(choices), fix=MEND_SETTINGS,
        )

    def _wrong(
        self, name: str, value: object, allowed: str, *, secret: bool = False
    ) -> UserError:
        # A run that Dagster launches reads the settings: what is said here stands in its history.
        shown = "(what it holds may be secret)" if secret else repr(value)
        return UserError(f"{name} = {shown} is not allowed", where=self._where(name),
                         allowed=allowed, fix=MEND_SETTINGS)


def _positive(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < float("inf")  # type: ignore[operator]


def _elsewhere(name: str) -> str:
    """Where a setting of that name belongs, as it is told; empty when there is none."""
    if name == "first_day":
        return "'first_day' above all tables"
    found = [section for section, kind in SECTIONS.items() if name in get_type_hints(kind)]
    return f"{name!r} of [{found[0]}]" if found else ""


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
    for section in [name for name in SECTIONS if name in plain]:
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
    """Settings as the text of a file."""
    values = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(map(_toml, place))}]"] if place and values else []
    lines += [f"{_toml(name)} = {_toml(value)}" for name, value in values.items()]
    text = "\n".join(lines) + "\n" if lines else ""
    tables = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    return text + "".join(to_toml(table, (*place, name)) for name, table in tables.items())


def _toml(value: Any) -> str:
    """A value as TOML: JSON's texts, numbers and lists, but for what JSON does not have, and what
    TOML writes otherwise.
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
