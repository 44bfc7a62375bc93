"""JSON arrays whose end is not at hand, or is broken: their elements as far as they are whole."""

from __future__ import annotations

import json
import re

_BEFORE_ELEMENT, _BETWEEN_ELEMENTS = re.compile(r"\s*\[\s*"), re.compile(r"\s*,\s*")


def complete_elements(text: bytes) -> tuple[list[bytes], int]:
    """The elements of an array that is broken or cut short, as far as they are whole, and where
    what is left begins.
    """
    plain = text.decode("latin-1")  # a character a byte
    decoder = json.JSONDecoder(strict=False)
    found: list[bytes] = []
    at = _BEFORE_ELEMENT.match(plain)
    while at is not None:
        start = at.end()
        try:
            _, end = decoder.raw_decode(plain, start)
        except (ValueError, RecursionError):
            return found, start
        found.append(text[start:end])
        at = _BETWEEN_ELEMENTS.match(plain, end)
        if at is None:
            return found, end
    return found, 0
