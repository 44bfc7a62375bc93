"""`imbalance search`: columns by words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import click

from imbalance import catalog
from imbalance.cli import output
from imbalance.cli.application import Application, subcommand
from imbalance.contracts import Column
from imbalance.errors import UserError, nearest

_SHORT = {
    "ofi": "order flow imbalance", "obi": "depth imbalance", "tfi": "trade imbalance",
    "qi": "queue imbalance", "mlofi": "order flow imbalance level", "rv": "realised variance",
    "vol": "variance", "best": "level 1", "bbo": "bid ask price", "levels": "level",
}
"""What modellers write for what the columns spell out."""

_SPELLINGS = ((re.compile(r"(?<=[a-z]{3})([iy])z(?=[aei])"), r"\1s"),
              (re.compile(r"(?<=[a-z]{3})our(?=s|ed|ing|al|able|$)"), "or"))
"""American and British English in one: realise, analyse, behavior."""

_NAME, _TEXT, _NEAR = 4.0, 1.0, 0.5
_COMMON = {"a", "and", "at", "by", "for", "in", "of", "on", "the", "to"}


@dataclass(frozen=True)
class Found:
    """A column, the tables that have it as it is, and how well it matches."""

    column: Column
    tables: tuple[str, ...]
    score: float


@subcommand("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--rows", type=click.IntRange(min=1), default=12, show_default=True)
def command(application: Application, words: Sequence[str], rows: int) -> None:
    """Find columns of any table by words of their name, meaning, formula, unit or source.

    \b
    Examples:
      imbalance search "depth imbalance 5 levels"
      imbalance search ofi scaled
      imbalance --json search Stoikov

    \b
    JSON: {"found": [{"column", "tables": [name], "unit", "description", "score"}]}
    """
    every = search(" ".join(words))
    found = every[:rows]
    if not found:
        known = sorted({word for _, _, names, texts in _documents() for word in (*names, *texts)})
        close = nearest(_words(" ".join(words))[0], known) if _words(" ".join(words)) else None
        raise UserError(
            f"nothing is found for {' '.join(words)!r}"
            + (f"; did you mean {close!r}?" if close else ""), where="search",
            fix="imbalance tables; imbalance describe TABLE",
        )
    if application.json:
        output.write_json({"found": [
            {"column": one.column.name, "tables": one.tables, "unit": one.column.unit,
             "description": one.column.description, "score": round(one.score, 3)}
            for one in found
        ]})
        return
    click.echo(output.table(
        ["column", "in", "unit", "meaning"],
        [[one.column.name, ", ".join(one.tables), one.column.unit, one.column.description]
         for one in found], width=72,
    ))
    if len(every) > rows:
        click.echo(f"… and {len(every) - rows} that match less: --rows N")


def search(text: str) -> list[Found]:
    """Columns which match any word, best first: rare words and words of the name count most."""
    documents = _documents()
    frequency = Counter(
        word for _, _, names, texts in documents for word in {*names, *texts})
    wanted = _words(" ".join(_SHORT.get(word, word) for word in _words(text)))
    weights = {word: math.log(1 + len(documents) / (1 + frequency[word])) for word in wanted}
    found = []
    for column, tables, names, texts in documents:
        score = sum(weight * _match(word, names, texts) for word, weight in weights.items())
        # Of two that have all words, the one whose name says less besides.
        score /= 1 + 0.02 * len(set(names) - set(wanted))
        if score > 0:
            found.append(Found(column, tables, score))
    return sorted(found, key=lambda one: (-one.score, one.column.name))


def _match(word: str, names: Sequence[str], texts: Sequence[str]) -> float:
    if word in names:
        return _NAME
    if word in texts:
        return _TEXT
    near = len(word) > 3 and any(other.startswith(word) for other in (*names, *texts))
    return _NEAR if near else 0.0


@cache
def _documents() -> tuple[tuple[Column, tuple[str, ...], list[str], list[str]], ...]:
    held: dict[Column, list[str]] = {}
    for table in catalog.tables().values():
        for column in table.columns:
            held.setdefault(column, []).append(table.name)
    return tuple(
        (column, tuple(tables), _words(column.name),
         _words(f"{column.description} {column.formula} {column.unit} {column.source}"))
        for column, tables in held.items()
    )


def _words(text: str) -> list[str]:
    return [_spelt(word) for word in re.findall(r"[^\W_]+", text.lower()) if word not in _COMMON]


def _spelt(word: str) -> str:
    for written, kept in _SPELLINGS:
        word = written.sub(kept, word)
    return word
