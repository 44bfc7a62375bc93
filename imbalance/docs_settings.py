"""The page of all settings, from the classes that declare them; `imbalance.docs` writes it.

Not here: what a setting does to the numbers, which is told where it is used.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from imbalance.captures.mapping import Mapped
from imbalance.config import (
    BY_INSTRUMENT,
    SECTIONS,
    About,
    Config,
    Multiplier,
    StudiesConfig,
    about,
)
from imbalance.markdown import cell
from imbalance.settings import type_words
from imbalance.studies.registry import studies
from imbalance.studies.study import Family, Study

_HEADS = ("| setting | type | default | unit | allowed | meaning |",
          "| --- | --- | --- | --- | --- | --- |")

_EXAMPLES = {
    "multipliers": (
        '`"okex:ETH-USDT-SWAP" = { linear = 0.1 }`, `"bitmex:XBTUSD" = { inverse = 1 }`, or',
        '`"binance-delivery:BTCUSD_PERP" = 100`; it stands above all else that is known of the',
        "contract. `imbalance status` names instruments of which nothing is.",
    ),
    "volume_bars": ('`"binance-delivery:BTCUSD_PERP" = 100`; without one, as the data say.',),
}


def settings_page() -> str:
    """All settings as Markdown: type, default, unit, what is allowed and what it means."""
    lines = [
        "# Settings",
        "",
        "Generated from the classes that declare them by `make docs`; do not edit.",
        "",
        "The settings are one TOML file, named by `--config FILE` or the variable",
        "`IMBALANCE_CONFIG`. All of them have defaults: a file holds what differs. A name that is",
        "none, or a value that is not allowed, ends a command with exit code 2, the line of the",
        "file and the nearest name. The home is no setting: `--home DIR`, or `IMBALANCE_HOME`.",
        "",
        "What changes a result makes it out of date: `imbalance plan` says what the next run would",
        "make again because of it.",
        "",
        "## Above all tables",
        "",
        *_HEADS,
        _row("first_day", str, Config().first_day, about(Config, "first_day")),
    ]
    for name, section in SECTIONS.items():
        lines += ["", f"## [{name}]", "", _purpose(section), "", *_HEADS]
        hints = get_type_hints(section)
        lines += [_row(f.name, hints[f.name], f.default, f.metadata["about"])
                  for f in dataclasses.fields(section) if "about" in f.metadata]
    for name, said in BY_INSTRUMENT.items():
        hint = Multiplier if name == "multipliers" else float
        lines += ["", f"## [{name}]", "", "A line for each instrument it is given for, such as",
                  *_EXAMPLES[name], "", *_HEADS,
                  _row('"VENUE:SYMBOL"', hint, None, said, "above 0")]
    return "\n".join([*lines, *_formats(), *_families()]) + "\n"


def _row(name: str, hint: Any, default: Any, said: About, allowed: str = "") -> str:
    if said.bounds:
        allowed = " to ".join(f"{bound:,}" for bound in said.bounds)
    elif said.choices:
        allowed = ", ".join(f"`{choice}`" for choice in said.choices)
    return (f"| `{name}` | {cell(type_words(hint))} | {_value(default)} | {said.unit} "
            f"| {allowed} | {cell(said.meaning)} |")


def _value(value: Any) -> str:
    """A value as it stands in the file."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "`[" + ", ".join(_value(one).strip("`") for one in value) + "]`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _purpose(section: type) -> str:
    return _sentence(_said(section)[0].partition(": ")[2])


def _sentence(text: str) -> str:
    return " ".join((text[0].upper() + text[1:]).split())


def _formats() -> Iterator[str]:
    yield from ("", "## [formats.NAME]", "",
                "A format of your own, for files that no known format fits; with examples in",
                "[captures](captures.md).", "")
    yield from _fields(Mapped, ("name",))


def _families() -> Iterator[str]:
    yield from (
        "", "## [studies.families.STUDY.FAMILY]", "",
        "What a family of a study estimates, where it is to differ from its default, or a new",
        "family with a `question` of its own. `imbalance studies STUDY` shows the families that",
        "are there, with the values that hold. Every family has:", "",
    )
    yield from _fields(Family, ("name",))
    for study in studies():
        yield from _family(study)


def _family(study: Study) -> Iterator[str]:
    yield from ("", f"### [studies.families.{study.name}.FAMILY]", "")
    for paragraph in _said(study.family):
        yield from (paragraph, "")
    yield from (f"The study: [{study.title}](studies/{study.name}.md).", "")
    taken = [f"`{name}`" for name in taken_from_studies(study)]
    listed = " and ".join([", ".join(taken[:-1]), *taken[-1:]] if len(taken) > 1 else taken)
    yield from (f"The families that are there take {listed} from `[studies]`.", "")
    defaults = {one.name: one.default for one in dataclasses.fields(study.family)}
    alike = [one.name for one in dataclasses.fields(Family) if defaults[one.name] == one.default]
    yield from _fields(study.family, ["name", *alike])


def taken_from_studies(study: Study) -> list[str]:
    """Settings of `[studies]` which its families have as they are set there, unless the file says
    otherwise of a family.
    """
    set_so = StudiesConfig(bar_sizes=("1m",), replications=998, seed=1, significance=0.04,
                           horizon=19, maximum_lag=9)
    declared = study.families(set_so)
    names = {one.name for one in dataclasses.fields(study.family)}
    return [one.name for one in dataclasses.fields(set_so) if one.name in names and all(
        getattr(family, one.name) == getattr(set_so, one.name) for family in declared)]


def _fields(declared: type, without: list[str] | tuple[str, ...]) -> Iterator[str]:
    """Settings of a class, with what its docstring, or that of a class above it, says of each."""
    hints = get_type_hints(declared)
    meanings = {name: said for one in reversed(declared.__mro__)
                for name, said in _parameters(one).items()}
    yield "| setting | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for one in dataclasses.fields(declared):
        if one.name in without:
            continue
        needed = dataclasses.MISSING is one.default and dataclasses.MISSING is one.default_factory
        default = "to be given" if needed else (
            "" if one.default is dataclasses.MISSING else _value(one.default))
        meaning = cell(meanings.get(one.name, ""))
        yield f"| `{one.name}` | {cell(type_words(hints[one.name]))} | {default} | {meaning} |"


def _said(declared: type) -> list[str]:
    """Paragraphs of a class's docstring before its parameters, each on a line of its own."""
    text = (inspect.getdoc(declared) or "").partition("\nParameters\n")[0].strip()
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _parameters(declared: type) -> dict[str, str]:
    """What a class's docstring says of each parameter."""
    text = (inspect.getdoc(declared) or "").partition("\nParameters\n")[2]
    found: dict[str, str] = {}
    for names, said in re.findall(r"^(\w[\w, ]*) : (.+(?:\n +.+)*)", text, re.MULTILINE):
        found |= dict.fromkeys(names.split(", "), _sentence(said))
    return found
