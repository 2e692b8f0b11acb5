"""What a plugin answers of one chunk, brought into the form that the host takes."""

from dataclasses import dataclass, replace

MASK, TEXT, BLANK = "mask", "text", "blank"


@dataclass(frozen=True)
class Edit:
    """A byte range inside the field of row ``field``, and what to put there: a tag, and the mask or the text."""

    field: int
    start: int
    end: int
    tag: str
    value: str = ""


class Drafts:
    """Answers as they come, in any order, overlapping or not."""

    def __init__(self):
        self.edits = []
        self.removed = set()
        self.blocked = set()
        # Tags `position`, `request`, `header` with their value.
        self.items = []
        self.dropped = None
        self.replaced = None

    @property
    def is_empty(self) -> bool:
        return not (self.edits or self.removed or self.blocked or self.items)


def normalised(edits: list) -> list:
    """Sorted, at most one edit for a byte.

    Where two overlap, both ranges are masked: no answer may uncover what another covers. What clears a field is its
    only edit.
    """
    cleared = {edit.field for edit in edits if edit.tag == BLANK}
    kept = [edit for edit in edits if edit.tag == BLANK or edit.field not in cleared]
    kept.sort(key=lambda edit: (edit.field, edit.start, edit.end))
    out = []
    for edit in kept:
        if out and _touch(out[-1], edit):
            out[-1] = _merged(out[-1], edit)
        else:
            out.append(edit)
    return out


def _touch(first: Edit, second: Edit) -> bool:
    """Whether two edits claim a byte, or the same place."""
    is_same = (first.start, first.end) == (second.start, second.end)
    return first.field == second.field and (second.start < first.end or is_same)


def _merged(first: Edit, second: Edit) -> Edit:
    if first == second:
        return first
    end = max(first.end, second.end)
    if first.tag != TEXT:
        return replace(first, end=end)
    return replace(first, end=end, tag=MASK, value=second.value if second.tag == MASK else "*")
