"""The site of the docs is whole and needs nothing from elsewhere; a broken link ends its making."""

import importlib.util
import sys
from html.parser import HTMLParser

import pytest


@pytest.fixture(scope="module")
def docs_site(repository):
    spec = importlib.util.spec_from_file_location("docs_site", repository / ".ci/docs_site.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_site"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["docs_site"]


class Reader(HTMLParser):
    """Links, what is loaded, and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors, self.tags = [], [], set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.add(tag)
        self.anchors.add(named.get("id"))
        if tag == "a":
            self.links.append(named["href"])
        else:
            self.loaded += [named[name] for name in ("src", "href") if name in named]


def test_every_link_of_the_site_leads_somewhere(docs_site, repository, tmp_path):
    out = tmp_path / "site"
    written = docs_site.build(repository, out)
    assert len(written) == len(list((repository / "docs").rglob("*.md"))) + 3
    assert '<code class="language-python">import imbalance' in (
        (out / "docs/tutorial.html").read_text()
    )
    pages = {path.resolve(): Reader(path.read_text()) for path in written}
    inside = 0
    for path, page in pages.items():
        assert "script" not in page.tags
        for link in [*page.links, *page.loaded]:
            if link.startswith("https://"):
                assert link not in page.loaded
                continue
            to, _, anchor = link.partition("#")
            target = (path.parent / to).resolve() if to else path
            assert target.is_file(), (path.name, link)
            assert not anchor or anchor in pages[target].anchors, (path.name, link)
            inside += 1
    assert inside > 1000


@pytest.mark.parametrize(("text", "said"), [
    ("[a](none.md)", "README.md: none.md is not there"),
    ("[a](docs/b.md#none)", "docs/b.md has no such heading"),
    ("[a](../outside.txt)", "../outside.txt is not there"),
    ("![a](https://example.org/a.png)", "would be loaded from elsewhere"),
])
def test_a_link_that_leads_nowhere_is_named(docs_site, tmp_path, text, said):
    root = tmp_path / "checkout"
    for name, page in {"README.md": text, "docs/b.md": "# B\n", "deploy/README.md": "# D"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(page)
    (tmp_path / "outside.txt").touch()
    with pytest.raises(docs_site.BrokenLinkError, match=said):
        docs_site.build(root, tmp_path / "site")
    (root / "README.md").write_text("# A\n\n[b](docs/b.md#b) <script>alert(1)</script>\n")
    docs_site.build(root, tmp_path / "site")
    made = (tmp_path / "site/index.html").read_text()
    assert 'href="docs/b.html#b"' in made
    assert "<script>" not in made
