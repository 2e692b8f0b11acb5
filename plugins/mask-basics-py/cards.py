"""Payment cards: 13 to 19 digits of a known issuer whose check digit is right (ISO/IEC 7812)."""

import re

# Thirteen digits or more, with single spaces or dashes between them.
DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,}")
GROUP = re.compile("[0-9]+")
MAX_DIGITS = 19

# After a decimal point, or inside a word; and likewise behind.
BEFORE = re.compile(r"[0-9]\.\Z|\w\Z")
AFTER = re.compile(r"\w|\.[0-9]")


def cards(text):
    for run in DIGITS.finditer(text):
        groups = [match.span() for match in GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            count = _longest(text, groups[first : first + MAX_DIGITS])
            if count:
                yield groups[first][0], groups[first + count - 1][1]
            first += max(count, 1)


def _longest(text, groups) -> int:
    """How many of the groups, from the first, make a card; 0 for none."""
    start = groups[0][0]
    if BEFORE.search(text[max(0, start - 2) : start]):
        return 0
    for count in range(len(groups), 0, -1):
        if AFTER.match(text, groups[count - 1][1]):
            continue
        parts = [text[begin:end] for begin, end in groups[:count]]
        if _is_plausible(parts) and _is_card("".join(parts)):
            return count
    return 0


def _is_plausible(parts) -> bool:
    """Cards are written as one group, or in groups of three to seven, the last of up to seven."""
    if len(parts) == 1:
        return True
    *rest, last = map(len, parts)
    return len(parts) <= 6 and last <= 7 and all(3 <= length <= 7 for length in rest)


def _is_card(digits: str) -> bool:
    is_long = 13 <= len(digits) <= MAX_DIGITS
    return is_long and _has_issuer(digits) and _luhn(digits) and len(set(digits)) > 1


# By their first four digits: from, to, and how long such cards are.
ISSUERS = [
    (3000, 3059, range(14, 20)), (3095, 3095, range(14, 20)), (3600, 3699, range(14, 20)),
    (3800, 3999, range(14, 20)), (3400, 3499, [15]), (3700, 3799, [15]), (3528, 3589, range(16, 20)),
    (4000, 4999, [13, 16, 19]), (2200, 2204, range(16, 20)), (2221, 2720, range(16, 20)),
    (5100, 5599, range(16, 20)), (5000, 5099, range(13, 20)), (5600, 5899, range(13, 20)),
    (6000, 6999, range(13, 20)), (8100, 8171, range(16, 20)), (9792, 9792, [16]),
]


def _has_issuer(digits: str) -> bool:
    head = int(digits[:4])
    return any(first <= head <= last and len(digits) in lengths for first, last, lengths in ISSUERS)


def _luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1, annex B."""
    values = (int(digit) * (at % 2 + 1) for at, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in values) % 10 == 0
