"""The pages of this project as a site that needs no server: `make docs-site`, into build/site.

Markdown in, one HTML page for each, with one list of all pages. Every link is checked: a page, a
file or a heading that is not there ends the build with the page and the link. Nothing is loaded
from elsewhere, neither while it is built nor while it is read.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import jinja2
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

REPOSITORY = Path(__file__).resolve().parent.parent
TEMPLATES = Path(__file__).resolve().parent / "docs_site"
SECTIONS = {
    "": ("README.md", "docs/tutorial.ipynb", "docs/training-sets.md", "docs/captures.md"),
    "Running it": ("docs/operations.md", "deploy/README.md", "docs/reliability.md"),
    "Reference": ("docs/data-dictionary.md", "docs/settings.md", "docs/venues.md",
                  "docs/architecture.md", "docs/dependencies.md"),
    "Studies": ("docs/studies/README.md",),
    "Decisions": ("docs/adr/README.md",),
}
"""Pages by the heading of their list; an index is followed by the other pages of its directory.
Pages that are not named stand at the end of the first list."""


class BrokenLinkError(Exception):
    """A page links to what is not there."""


@dataclass
class Page:
    """One page: where it comes from, what it is called, its tokens and the anchors in it."""

    source: Path
    title: str
    tokens: list[Token]
    anchors: set[str] = field(default_factory=set)

    @property
    def target(self) -> Path:
        """Where it goes, relative to the site; the README of the project is the first page."""
        if self.source == Path("README.md"):
            return Path("index.html")
        if self.source.name == "README.md":
            return self.source.with_name("index.html")
        return self.source.with_suffix(".html")


def build(root: Path, out: Path) -> list[Path]:
    """Write the site of the checkout at `root` into `out`, made anew; returns its pages.

    Raises
    ------
    BrokenLinkError
        With all links that lead nowhere, by page.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    found = [*(root / "docs").rglob("*.md"), *(root / "docs").rglob("*.ipynb")]
    sources = [Path("README.md"), Path("deploy/README.md"),
               *sorted(path.relative_to(root) for path in found)]
    pages = {s: _page(markdown, s, _text(root / s)) for s in sources}
    broken: list[str] = []
    files: set[Path] = set()
    for page in pages.values():
        for link in _links(page.tokens):
            broken += _lead(link, page, pages, files, root)
    if broken:
        raise BrokenLinkError("\n".join(broken))
    if out.exists():
        shutil.rmtree(out)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2")
    contents = _contents(pages)
    for page in pages.values():
        target = out / page.target
        target.parent.mkdir(parents=True, exist_ok=True)
        up = os.path.relpath(out, target.parent)
        target.write_text(
            template.render(
                page=page, contents=contents, up=up,
                # From our own pages, with raw HTML turned into text by the renderer.
                body=Markup(markdown.renderer.render(page.tokens, markdown.options, {})),  # noqa: S704
            ),
            encoding="utf-8",
        )
    for file in files:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, out / file)
    shutil.copyfile(TEMPLATES / "site.css", out / "site.css")
    return [out / page.target for page in pages.values()]


def _text(path: Path) -> str:
    """A page as Markdown; the programs of a notebook become blocks of it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    parts = (("".join(c["source"]), c["cell_type"]) for c in json.loads(text)["cells"])
    return "\n\n".join(
        f"```python\n{source}\n```" if kind == "code" else source for source, kind in parts
    )


def _page(markdown: MarkdownIt, source: Path, text: str) -> Page:
    tokens = markdown.parse(text)
    title, anchors = source.stem, set[str]()
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(child.content for child in inline.children or ())
            if opening.tag == "h1":
                title = words
            anchor = base = slug(words)
            number = 0
            while anchor in anchors:
                number += 1
                anchor = f"{base}-{number}"
            anchors.add(anchor)
            opening.attrSet("id", anchor)
    return Page(source, title, tokens, anchors)


def slug(words: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def _links(tokens: list[Token]) -> list[Token]:
    inline = [child for token in tokens for child in token.children or ()]
    return [token for token in inline if token.type in ("link_open", "image")]


def _lead(
    link: Token, page: Page, pages: dict[Path, Page], files: set[Path], root: Path
) -> list[str]:
    """Turn a link between sources into one between pages; says what is wrong with it."""
    name = "src" if link.type == "image" else "href"
    address = unquote(str(link.attrGet(name)))
    if re.match(r"[a-z]+:", address):
        outside = f"{page.source}: {address} would be loaded from elsewhere"
        return [] if name == "href" else [outside]
    path, _, anchor = address.partition("#")
    to = Path(os.path.normpath(page.source.parent / path)) if path else page.source
    if to in pages:
        if anchor and anchor not in pages[to].anchors:
            return [f"{page.source}: {address}: {to} has no such heading"]
        here = os.path.relpath(pages[to].target, page.target.parent)
        link.attrSet(name, (here if path else "") + (f"#{anchor}" if anchor else ""))
    elif (root / to).is_file() and (root / to).resolve().is_relative_to(root.resolve()):
        files.add(to)
        link.attrSet(name, os.path.relpath(to, page.target.parent))
    else:
        return [f"{page.source}: {address} is not there"]
    return []


def _contents(pages: dict[Path, Page]) -> list[tuple[str, list[Page]]]:
    """The lists of pages, each under its heading."""
    left = dict(pages)
    lists: list[tuple[str, list[Page]]] = []
    for heading, sources in SECTIONS.items():
        listed: list[Page] = []
        for source in map(Path, sources):
            if source in left:
                listed.append(left.pop(source))
            if source.name == "README.md" and source.parent.parent != Path():
                beside = [s for s in left if s.parent == source.parent]
                listed += [left.pop(s) for s in beside]
        lists.append((heading, listed))
    lists[0][1].extend(left.values())
    return lists


if __name__ == "__main__":
    site = REPOSITORY / "build" / "site"
    try:
        written = build(REPOSITORY, site)
    except BrokenLinkError as error:
        sys.exit(f"broken links:\n{error}")
    print(f"{len(written)} pages: {site / 'index.html'}")
