"""Text in Markdown: what the generated pages share."""

from __future__ import annotations


def cell(text: str) -> str:
    """Text that stays within a cell of a table and means itself."""
    parts = text.replace("\n", " ").replace("|", "\\|").split("`")
    # Every second part is code, in which nothing but the bar has a meaning.
    parts[::2] = [p.replace("<", "&lt;").replace("*", "\\*") for p in parts[::2]]
    return "`".join(parts)


def anchor(heading: str) -> str:
    """Anchor of a heading that is a name of a table."""
    return heading.lower().replace(".", "")
