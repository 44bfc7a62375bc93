"""The colours of the charts, named, in a light and a dark variant.

Belongs here: which colour stands for what. A chart is drawn in the light colours; in the report
each of them becomes a CSS variable, so that the same drawing follows the reader's theme. No
drawing here.
"""

from __future__ import annotations

SCALE_STEPS = 8
"""Steps of the correlation scale on either side of zero."""

# Okabe and Ito's set, which stays apart under the three kinds of colour blindness; the dark
# variants are lightened until their contrast with the dark page is at least 4.5 to 1.
_NAMED = {
    "ink": ("#1f2328", "#e6e9ec"),
    "muted": ("#59636e", "#9aa4ae"),
    "grid": ("#d8dee4", "#343b43"),
    "price": ("#2b3138", "#d5dade"),
    "range": ("#c3cbd3", "#4a535d"),
    "buying": ("#0072b2", "#56b4e9"),
    "selling": ("#d55e00", "#f0904d"),
    "poisoned": ("#e8b647", "#8a6a1c"),
    "valid": ("#2a9d77", "#35b58c"),
    "partial": ("#e6a11a", "#d99a1e"),
    "invalid": ("#b04a3a", "#d1705f"),
    "orthogonal": ("#0173b3", "#57b5ea"),
    "generalised": ("#c2570c", "#f1914e"),
    "on_weak": ("#22272e", "#eceff1"),
    "on_strong": ("#fefefe", "#10151a"),
    "refused": ("#8b949e", "#7d8791"),
}

_SCALE_ENDS = {
    "positive": (("#d6e6f2", "#08436f"), ("#1c3a52", "#8fcdf7")),
    "negative": (("#fae3cc", "#8a3c05"), ("#4a3018", "#ffb877")),
}


def _between(low: str, high: str, share: float) -> str:
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (low, high)]
    mixed = [round(a + (b - a) * share) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _scale() -> dict[str, tuple[str, str]]:
    return {
        f"{sign}_{step}": (
            _between(*light, step / (SCALE_STEPS - 1)),
            _between(*dark, step / (SCALE_STEPS - 1)),
        )
        for sign, (light, dark) in _SCALE_ENDS.items()
        for step in range(SCALE_STEPS)
    }


PALETTE: dict[str, tuple[str, str]] = {**_NAMED, **_scale()}
"""Name to (light, dark). The light colours differ from each other: they are looked up by value."""

VARIABLES = {light: f"var(--{name.replace('_', '-')})" for name, (light, _) in PALETTE.items()}
"""Light colour to the CSS variable which stands for it."""


def colour(name: str) -> str:
    """The light colour of that name."""
    return PALETTE[name][0]


def scale_step(value: float, limit: float) -> tuple[str, int]:
    """Where a correlation stands on the scale: the colour's name and its step from 0.

    Parameters
    ----------
    value : correlation, -1 to 1.
    limit : value (above 0) at which the scale ends.
    """
    share = min(abs(value) / limit, 1.0)
    step = min(int(share * SCALE_STEPS), SCALE_STEPS - 1)
    return ("positive" if value >= 0 else "negative") + f"_{step}", step


def css_variables(theme: int) -> str:
    """Declarations of all colours; `theme` 0 is light, 1 is dark."""
    return " ".join(f"--{name.replace('_', '-')}: {pair[theme]};" for name, pair in PALETTE.items())
