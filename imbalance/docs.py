"""The generated pages of `docs/`: `python -m imbalance.docs` writes, a test keeps them current.

Belongs here: pages derived from the registry. Not here: anything that has to be written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imbalance import catalog
from imbalance.captures.formats.files import Files, files_of, files_of_any, venues_of_files
from imbalance.captures.published import sources_of
from imbalance.captures.venues.registry import venues
from imbalance.captures.venues.venue import PROOFS, Venue
from imbalance.config import StudiesConfig
from imbalance.contracts import RECORDED_AT, Column, Table
from imbalance.docs_settings import settings_page
from imbalance.markdown import anchor, cell
from imbalance.studies.families import bar_sizes
from imbalance.studies.hypotheses import HYPOTHESES
from imbalance.studies.registry import reasons, studies

DATA_DICTIONARY = Path("docs/data-dictionary.md")
"""Where the data dictionary stands, relative to the checkout."""

STUDIES = Path("docs/studies/README.md")
"""Where the index of the studies stands."""

VENUES = Path("docs/venues.md")
"""Where the page of the venues stands."""

SETTINGS = Path("docs/settings.md")
"""Where the page of the settings stands; what is in it is `docs_settings`'."""

_LAYERS = {
    "raw": "What the captures hold, message by message, and where every line went.",
    "book": "Order books rebuilt from the messages, their health, and the book's side of bars.",
    "features": "Imbalance and market state per instrument and bar.",
    "studies": "Estimates in long tables: one row per window, pair, lag and estimator.",
}

_PARTITIONS = {
    "day_venue": "day × venue",
    "day": "day",
    "capture": "capture",
    "all": "none",
}


def data_dictionary() -> str:
    """The data dictionary as Markdown: every table and column of the catalog.

    Tables of one layer with the very same columns share one list of them.
    """
    lines = [
        "# Data dictionary",
        "",
        "Generated from the registry by `make docs`; do not edit. `imbalance describe TABLE` and",
        "`imbalance describe TABLE.COLUMN` show the same.",
        "",
        "Times are UTC in nanoseconds. Bars are [start, end). A missing value is null, never zero;",
        "the column *null* says what it stands for. Positive means buying pressure.",
        "",
        f"Every view and every published table has one more column, `{RECORDED_AT.name}`: "
        + RECORDED_AT.description,
        "",
        "| table | one row per | what it is |",
        "| --- | --- | --- |",
    ]
    tables = catalog.tables()
    lines += [
        f"| [`{t.name}`](#{anchor(t.name)}) | {cell(t.grain)} | {cell(t.description)} |"
        for t in tables.values()
    ]
    for layer in catalog.LAYERS:
        lines += ["", f"## {layer}", "", _LAYERS[layer]]
        shown: dict[tuple[Column, ...], Table] = {}
        for table in tables.values():
            if table.layer == layer:
                lines += _table(table, shown.setdefault(table.columns, table))
    return "\n".join(lines) + "\n"


def _table(table: Table, first: Table) -> Iterator[str]:
    """Lines of one table; `first` is the one that lists these columns."""
    yield from ("", f"### {table.name}", "", table.description, "")
    yield (
        f"One row per {table.grain}. Key: {', '.join(f'`{name}`' for name in table.key)}. "
        f"Partitioned by: {_PARTITIONS[table.partitioning]}. "
        f"Published: {'yes' if table.published else 'no'}."
    )
    yield ""
    if first is not table:
        yield f"The columns are those of [`{first.name}`](#{anchor(first.name)})."
        return
    yield from ("| column | type | unit | meaning | null |", "| --- | --- | --- | --- | --- |")
    for column in table.columns:
        yield (
            f"| `{column.name}` | {column.type} | {cell(column.unit)} | {_meaning(column)} "
            f"| {cell(column.null_meaning) if column.nullable else ''} |"
        )


def _meaning(column: Column) -> str:
    parts = [column.description]
    if column.formula:
        parts.append(f"Formula: {column.formula}.")
    if column.allowed:
        parts.append("One of: " + ", ".join(f"`{value}`" for value in column.allowed) + ".")
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        parts.append(f"From {low:g} to {high:g}.")
    elif low is not None:
        parts.append(f"At least {low:g}.")
    elif high is not None:
        parts.append(f"At most {high:g}.")
    if column.source:
        parts.append(f"Source: {column.source}.")
    return cell(" ".join(parts))


def studies_index() -> str:
    """The index of the studies as Markdown: what each asks, writes and reads."""
    lines = [
        "# Studies",
        "",
        "Generated from the registry by `make docs`; do not edit. `imbalance studies` shows the",
        "same, `imbalance studies NAME` the families, estimators and reasons to refuse of one.",
        "",
        "Rows of days, of trailing windows and of the whole span stand side by side, and so do",
        "regimes and estimators: a query that does not name `scope`, `regime` and `estimator`",
        "counts one effect several times.",
        "",
        "Pairs grow with the square of the instruments. Where there are more than the",
        "`most_instruments` of a family that has this setting, those whose measures change most",
        "often, or with the most ticks or events, are paired with one another, and each of the",
        "others has a row with the reason `too_many_instruments`; what is said of an instrument by",
        "itself is said of all. They are chosen for each size of bars, so that another size may",
        "have other pairs. Matrices of correlations are of all instruments.",
        "",
        "| study | question | tables | reads | cost of a day |",
        "| --- | --- | --- | --- | --- |",
    ]
    for study in studies():
        sizes = bar_sizes(study.families(StudiesConfig()))
        reads = [*(f"bars of {size}" for size in sizes), *(f"`{name}`" for name in study.events)]
        tables = ", ".join(f"[`{name}`](../data-dictionary.md#{anchor(name)})"
                           for name in study.table_names)
        lines.append(f"| [{study.title}]({study.name}.md) | {cell(study.question)} | {tables} "
                     f"| {', '.join(reads)} | {cell(study.cost)} |")
    lines += [
        "",
        "## Tests",
        "",
        "Within a family each kind of claim has q-values of its own (column `hypothesis`): what",
        "holds by construction would otherwise make forecasts look surer than they are.",
        "",
        "| hypothesis | what is claimed | studies |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {cell(words)} | {_testing(name)} |"
          for name, words in HYPOTHESES.items()),
        "",
        "## Reasons",
        "",
        "A row which holds no estimate says why.",
        "",
        "| reason | because |",
        "| --- | --- |",
        *(f"| `{reason}` | {cell(words)} |" for reason, words in reasons().items()),
    ]
    return "\n".join(lines) + "\n"


def _testing(hypothesis: str) -> str:
    return ", ".join(f"[{one.name}]({one.name}.md)" for one in studies()
                     if hypothesis in one.hypotheses)


def venues_page() -> str:
    """The venues as Markdown: what is decoded of each, what loss can be noticed and what not."""
    lines = [
        "# Venues",
        "",
        "Generated from what the venues' modules, the layouts of tables and the registry of",
        "instruments declare, by `make docs`; do not edit. `imbalance venues` and",
        "`imbalance venues NAME` show the same.",
        "",
        "Every record of a connection ends as events, as ignored by a named rule, or as rejected",
        "with a named reason. Prices and sizes are as sent. What a venue's protocol cannot prove",
        "is in the column *not noticed*. Days are UTC and inclusive.",
        "",
        "| how a lost message shows | |",
        "| --- | --- |",
        *(f"| `{proof}` | {cell(words)} |" for proof, words in PROOFS.items()),
        "",
        "| venue | id | recorders call it | proofs |",
        "| --- | --- | --- | --- |",
    ]
    for name, venue in venues().items():
        proofs = dict.fromkeys(f"`{one.proof}`" for one in venue.continuity)
        called = ", ".join(venue.recorders)
        lines.append(f"| [{venue.title}](#{_heading(venue)}) | `{name}` | {called} "
                     f"| {', '.join(proofs)} |")
    for name in venues_of_files():
        read = (*files_of(name), *files_of_any())
        proofs = dict.fromkeys(f"`{one.holds.proof}`" for one in read)
        lines.append(f"| [{name}](#{name}) | `{name}` |  | {', '.join(proofs)} |")
    for venue in venues().values():
        lines += _venue(venue)
    for name in venues_of_files():
        lines += _of_files(name)
    lines += ["", "## Tables of any venue", "",
              "Their rows name the venue, by the id that instruments get.", "",
              *_files(files_of_any())]
    return "\n".join(lines) + "\n"


def _venue(venue: Venue) -> Iterator[str]:
    yield from ("", f"## {venue.title}", "", f"Id `{venue.name}`. Spoken at: "
                + ", ".join(f"`{host}`" for host in venue.hosts) + ".", "")
    yield from ("| message | what is made of it |", "| --- | --- |")
    for message, made in venue.channels.items():
        yield f"| `{message}` | {cell(made)} |"
    yield ""
    yield from ("| channel | proof | not noticed | from | until | source |",
                "| --- | --- | --- | --- | --- | --- |")
    for one in venue.continuity:
        yield (f"| {cell(one.channel)} | `{one.proof}` | {cell(one.blind)} | {one.since or ''} "
               f"| {one.until or ''} | {cell(one.source)} |")
    if files := files_of(venue.name):
        yield from ("", *_files(files))


def _of_files(name: str) -> Iterator[str]:
    """Lines of a venue without a module."""
    own = files_of(name)
    any_venue = "[tables of any venue](#tables-of-any-venue)"
    yield from ("", f"## {name}", "", f"Id `{name}`. Its messages are not decoded: it is read from "
                + (f"these files and from {any_venue}." if own else f"{any_venue} alone."))
    if own:
        yield from ("", *_files(own))
    if sources := sources_of(name):
        yield from ("", "What is known of its instruments: " + "; ".join(sources) + ".")


def _files(files: tuple[Files, ...]) -> Iterator[str]:
    yield from ("| file | formats | what is made of it | proof | not noticed |",
                "| --- | --- | --- | --- | --- |")
    for one in files:
        yield (f"| `{one.name}` | {', '.join(f'`{name}`' for name in one.formats)} "
               f"| {cell(one.holds.made)} | `{one.holds.proof}` | {cell(one.holds.blind)} |")


def _heading(venue: Venue) -> str:
    return venue.title.lower().replace(".", "").replace(" ", "-")


PAGES = {DATA_DICTIONARY: data_dictionary, STUDIES: studies_index, VENUES: venues_page,
         SETTINGS: settings_page}


def main() -> None:
    """Write the generated pages into the checkout."""
    for place, page in PAGES.items():
        path = Path(__file__).resolve().parent.parent / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
