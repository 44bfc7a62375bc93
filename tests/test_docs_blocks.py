"""Every block of the docs is run, or says at its head why not.

A block is `sh`, `python`, `sql`, `toml`, or shown only: `text`, `csv`, `json`. In one of commands,
`not run: REASON` leaves out all, `not run: NAME, NAME: REASON` those subcommands; all are parsed.
"""

import contextlib
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from imbalance.cli.main import cli, run
from imbalance.config import Config
from imbalance.config_file import load_config
from imbalance.store import Home, Store
from imbalance.store.generations import find_generation
from imbalance.store.publishing import publish
from tests.training.samples import bars, put_bars

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md", "deploy/README.md",
    *sorted(str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / "docs").rglob("*.md")),
]
SHOWN = ("text", "csv", "json")
GAP = r'(?:\s{3,}|\s+#)(?=[^"]*(?:"[^"]*"[^"]*)*$)'
"""Space or a comment outside of quotes."""


@dataclass(frozen=True)
class Block:
    """A block of a page: what it is in, its text, and what its head says is not run."""

    page: str
    line: int
    language: str
    skips: str
    text: str

    def commands(self):
        """Command lines of `imbalance`, and whether each is run."""
        names, _, reason = self.skips.rpartition(": ")
        left_out = {name.strip() for name in names.split(",")} if names else set()
        joined = re.sub(r"\\\n", " ", self.text)
        for line in re.findall(r'^\S*imbalance (?:[^"\n]|"[^"]*")*', joined, re.MULTILINE):
            # What follows after a gap explains the command.
            arguments = shlex.split(re.split(GAP, line, maxsplit=1)[0])[1:]
            yield arguments, not reason or (bool(left_out) and arguments[0] not in left_out)


def blocks_of(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        language, _, head = found[1].partition(" ")
        skips = head.removeprefix("not run: ") if head else ""
        assert not head or skips != head, f"{page}: what is {head!r}?"
        yield Block(page, text[: found.start()].count("\n") + 1, language, skips, found[2])


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
DONE = set()
"""Commands that have been run: a page may say again what another says."""


def of(*languages):
    found = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=[f"{b.page}:{b.line}" for b in found])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The bars that the page on training sets speaks of, published."""
    store = Store(Home.open(tmp_path_factory.mktemp("docs") / "warehouse", create=True))
    put_bars(store, bars())
    put_bars(store, bars("10s", count=20, seed=1), "10s")
    tables = {name: store.table(name) for name in ("features.bars_1s", "features.bars_10s")}
    publish(Store(store.home, tables=tables))
    return store


@pytest.fixture(autouse=True)
def beside_the_home(store, monkeypatch):
    monkeypatch.chdir(store.home.root.parent)


def test_every_block_says_what_it_is():
    known = ("sh", "python", "sql", "toml", *SHOWN)
    assert [(b.page, b.line) for b in BLOCKS if b.language not in known] == []
    assert len(BLOCKS) > 25


@of("sh")
def test_commands(block, store, capsys):
    found = list(block.commands())
    assert found or block.skips
    generation = find_generation(store.home).id
    for arguments, is_run in found:
        context = cli.make_context("imbalance", list(arguments))
        words = [*context._protected_args, *context.args]
        name, command, rest = cli.resolve_command(context, words)
        with contextlib.suppress(click.exceptions.Exit):
            command.make_context(name, rest, parent=context)
        named = [generation if word in ("ID", "ID1", "ID2") else word for word in arguments]
        if is_run and tuple(named) not in DONE:
            assert run(named) == 0, (arguments, capsys.readouterr())
            DONE.add(tuple(named))


@pytest.mark.parametrize("page", sorted({b.page for b in BLOCKS if b.language == "python"}))
def test_programs(page, store, monkeypatch):
    """The blocks of a page are one program."""
    monkeypatch.setenv("IMBALANCE_HOME", str(store.home.root))
    names = {}
    for block in BLOCKS:
        if (block.page, block.language) == (page, "python"):
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names)  # noqa: S102
    if page == "docs/training-sets.md":
        assert len(names["rows"]) == 200


@pytest.fixture(scope="module")
def session(store):
    with store.session() as opened:
        yield opened


@of("sql")
def test_queries(block, session):
    assert session.sql(block.text).columns


@of("toml")
def test_settings(block, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(block.text)
    config = load_config(path)
    for name, given in tomllib.loads(block.text).items():
        assert getattr(config, name) != getattr(Config(), name), f"{name} = {given} says nothing"
