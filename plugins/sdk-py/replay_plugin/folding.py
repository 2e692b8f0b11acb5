"""A text as it reads, with a map back to how it is written.

Full-width digits and letters become ASCII, unusual spaces and dashes `` `` and ``-``, what is not seen is left out,
and one layer of ``%40``, ``&#64;``, ``\\u0040`` and ``q=a+b`` is decoded.
"""

import re
from bisect import bisect_left, bisect_right

# Layers that are taken off at most: JSON in JSON in a string, an address in an address.
LAYERS = 3

# What reads like another character, one for one.
_ALIKE = (
    "\u00a0\u0660-\u0669\u06f0-\u06f9\u2000-\u200a\u2010-\u2015\u202f\u205f\u2212\u3000\u3002\ufe63\ufe6b\uff01-\uff5e"
)
# What is not seen.
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_ESCAPES = (
    r"%[0-7][0-9A-Fa-f]|%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){1,3}"
    r"|&#[xX][0-9A-Fa-f]{1,6};?|&#[0-9]{1,7};?|&[A-Za-z]{2,7};"
    r"|\\u[dD][89ABab][0-9A-Fa-f]{2}\\u[dD][C-Fc-f][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
    r"|\\[\"\\/'bfnrt]"
)
_WORD = "[0-9A-Za-z%.()\u0080-\U0010ffff-]"

_FOLDED = re.compile(f"{_ESCAPES}|(?<={_WORD})\\+(?={_WORD})|[{_ALIKE}{_UNSEEN}]")

# Finds where something may begin whose folding moves what follows.
MAY_MOVE = re.compile(
    rf"%[0-9A-Fa-f]{{2}}|&[#A-Za-z]|\\[ux\"\\/'bfnrt]|[{_UNSEEN}]|(?<=[0-9])\+(?=[0-9])"
)

_ENTITIES = {
    "amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": "\u00a0", "shy": "\u00ad", "commat": "@",
    "period": ".", "plus": "+", "hyphen": "\u2010", "dash": "\u2010", "ndash": "\u2013", "lowbar": "_", "colon": ":",
    "equals": "=", "sol": "/", "lpar": "(", "rpar": ")", "NewLine": "\n",
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def fold(source: str):
    """A text with one layer taken off, or ``None`` if there is nothing to fold."""
    parts, runs = [], []
    length = copied = 0
    form = None
    for match in _FOLDED.finditer(source):
        start, written = match.start(), match.group()
        if written == "+":
            # Of a form's value, so what stands before the first `=` is none.
            form = source.find("=") if form is None else form
            if form < 0 or form > start:
                continue
        read, taken = _decode(written)
        if read is None:
            continue
        if start > copied:
            runs.append((length, copied, start, True))
            parts.append(source[copied:start])
            length += start - copied
        copied = start + taken
        if read:
            runs.append((length, start, copied, False))
            parts.append(read)
            length += len(read)
    if copied == 0:
        return None
    if copied < len(source):
        runs.append((length, copied, len(source), True))
        parts.append(source[copied:])
    return Folded("".join(parts), runs)


def alike(text: str) -> str:
    """The text with what reads like another character written as that: one for one, so offsets are the same."""
    return text.translate(_READS_LIKE)


def _decode(written: str):
    """What an escape or a sign reads as, and the characters that it takes; ``None`` for one that is none."""
    char, taken = written, len(written)
    if len(written) > 1:
        if written[0] == "%":
            char, taken = _percent(written)
        else:
            char = _entity(written) if written[0] == "&" else _escape(written)
    elif written == "+":
        char = " "
    return (None if char is None else _sign(char)), taken


def _percent(written: str):
    """``%40``, or up to four such bytes that make one character."""
    first = int(written[1:3], 16)
    count = 1 if first < 0x80 else 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2
    taken = written[: 3 * count]
    try:
        return bytes.fromhex(taken.replace("%", "")).decode(), len(taken)
    except UnicodeDecodeError:
        return None, len(written)


def _entity(written: str):
    if written[1] != "#":
        return _ENTITIES.get(written[1:-1])
    number = written[2:].rstrip(";")
    code = int(number[1:], 16) if number[0] in "xX" else int(number)
    is_scalar = code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_scalar else None


def _escape(written: str):
    kind = written[1]
    if kind not in "ux":
        return _CONTROLS.get(kind, kind)
    units = [int(digits, 16) for digits in re.split(r"\\[ux]", written)[1:]]
    if len(units) == 2:
        return chr(0x10000 + ((units[0] - 0xD800) << 10) + (units[1] - 0xDC00))
    return None if 0xD800 <= units[0] <= 0xDFFF else chr(units[0])


def _sign(char: str) -> str:
    """What a character reads like, if that is another."""
    code = ord(char)
    if code < 0xA0:
        return char
    if code == 0xA0 or 0x2000 <= code <= 0x200A or code in (0x202F, 0x205F, 0x3000):
        return " "
    if code in (0xAD, 0xFEFF) or 0x200B <= code <= 0x200F or 0x202A <= code <= 0x202E or 0x2060 <= code <= 0x2064:
        return ""
    if 0x2010 <= code <= 0x2015 or code in (0x2212, 0xFE63):
        return "-"
    if code in (0xFE6B, 0x3002):
        return "@" if code == 0xFE6B else "."
    for zero in (0x660, 0x6F0):
        if zero <= code <= zero + 9:
            return str(code - zero)
    return chr(code - 0xFEE0) if 0xFF01 <= code <= 0xFF5E else char


_READS_LIKE = {
    code: _sign(chr(code))
    for code in [0xA0, *range(0x660, 0x66A), *range(0x6F0, 0x6FA), *range(0x2000, 0x3003), *range(0xFE63, 0xFF5F)]
    if len(_sign(chr(code))) == 1 and _sign(chr(code)) != chr(code)
}


class Folded:
    """A text as it reads. Offsets are code points."""

    def __init__(self, text: str, runs: list):
        """Runs (where in the text, from and to in the source, whether copied) lie end to end in the text; in the
        source, what is not seen may lie between two."""
        self.text = text
        self._runs = runs
        self._starts = [run[0] for run in runs]
        self._sources = [run[1] for run in runs]

    def to_source(self, start: int, end: int):
        """The range of the source that a range of the text stands for, escapes whole."""
        if start >= end or not self._runs:
            return 0, 0
        first = self._runs[bisect_right(self._starts, start) - 1]
        last = self._runs[bisect_right(self._starts, end - 1) - 1]
        return (
            first[1] + (start - first[0]) if first[3] else first[1],
            last[1] + (end - last[0]) if last[3] else last[2],
        )

    def off_escapes(self, start: int, end: int):
        """A range of the source moved off the escapes that it cuts in two: ``\\nanna`` is no ``nanna``."""
        start = self._off(start)
        return start, max(start, self._off(end))

    def _off(self, at: int) -> int:
        before = bisect_left(self._sources, at) - 1
        if before < 0:
            return at
        _, _, end, is_copied = self._runs[before]
        return end if not is_copied and at < end else at


class Views:
    """One text and its folded views, one inside the other. View 0 is the text itself."""

    def __init__(self, source: str):
        self.source = source
        self.layers = []
        text = source
        while len(self.layers) < LAYERS and (folded := fold(text)):
            self.layers.append(folded)
            text = folded.text

    @property
    def innermost(self) -> str:
        """The text as it reads, all layers off."""
        return self.layers[-1].text if self.layers else self.source

    def to_source(self, view: int, start: int, end: int):
        """The range of the source for a range of view ``view``."""
        if view < len(self.layers):
            start, end = self.layers[view].off_escapes(start, end)
        for layer in reversed(self.layers[:view]):
            start, end = layer.to_source(start, end)
        return start, end
