"""Prefixes of what was typed, wherever they stand."""

import re

# Characters that a prefix has at least: shorter ones are everybody's.
PREFIX_CHARS = 4
# Characters from which a prefix counts as a word of a sentence too, not as a value only.
WORD_CHARS = 8


class Prefixes:
    """Typed values, by how they begin. Case does not count."""

    def __init__(self):
        self._values = set()

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, value: str) -> None:
        """A typed value, as it reads."""
        value = value.strip()
        if len(value) >= PREFIX_CHARS:
            self._values.add(_lower(value))

    def find(self, chunk) -> list:
        """Every prefix in a chunk; its rule is whether it stands as a value, and whether it is a whole typed value."""
        by_head = self._by_head()
        heads = re.compile("|".join(map(re.escape, by_head)))

        def search(text):
            lower = _lower(text)
            for match in heads.finditer(lower):
                start = match.start()
                length, is_complete = _longest(by_head[match.group()], lower, start)
                end = start + len(lower[start : start + length].rstrip())
                if end - start >= PREFIX_CHARS:
                    yield start, end, _place_of(text, start, end, is_complete)

        return chunk.find(search)

    def _by_head(self) -> dict:
        """Values by their first characters; those that others begin with are found as their prefixes."""
        values = sorted(self._values)
        by_head = {}
        for value, after in zip(values, values[1:] + [""]):
            if not after.startswith(value):
                by_head.setdefault(value[:PREFIX_CHARS], []).append(value)
        return by_head


def _lower(text: str) -> str:
    """Character for character: what takes more than one in lower case stays as it is."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _longest(values: list, text: str, at: int):
    """The longest prefix of a value at ``at``: its length, and whether it is all of it."""
    best = 0, False
    for value in values:
        length = 0
        while length < len(value) and at + length < len(text) and text[at + length] == value[length]:
            length += 1
        best = max(best, (length, length == len(value)))
    return best


def _place_of(text: str, start: int, end: int, is_complete: bool):
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    is_long = end - start >= WORD_CHARS

    def ends(char: str, marks: str) -> bool:
        if char in ("", "\n"):
            return True
        return (is_long or is_complete) if char.isspace() else char in marks

    # Who types a space types on: `"Ann "` is a value as `"Ann"` is.
    is_quoted = after.isspace() and ends(text[end : end + 99].lstrip()[:1], "\"'`&\\")
    is_value = ends(before, "=\"'`:,/[(>{|;&?#\\") and (is_quoted or ends(after, "&\"'`#,;/]})<|+?\\:"))
    return is_value, is_complete and not before.isalnum() and not after.isalnum()
