"""The kinds of fields, numbered as in the interface."""

# In the order of their bits in the manifest.
KINDS = (
    "text", "input", "attribute", "markup", "url", "style", "code", "html", "console", "network", "custom", "canvas",
    "pixels", "other",
)

_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


def kind_of(number: int) -> str:
    """By its number in an index; unknown ones (of a newer host) are ``other``."""
    return KINDS[number] if number < len(KINDS) else "other"


def number_of(kind: str) -> int:
    if kind not in _NUMBERS:
        raise ValueError(f"`{kind}` is no kind of field; there are {', '.join(KINDS)}")
    return _NUMBERS[kind]


def bits_of(kinds) -> int:
    """As the manifest says it: a bit for each kind."""
    return sum(1 << number for number in {number_of(kind) for kind in kinds})
