"""What was typed key by key.

An input leaves every prefix of its value in the recording: ``a``, ``an``, … ``anna.smith@exampl``. A pattern sees
only the last. So values are taken together: a *series* is what one node's input, text or attribute held over the
batch.

- If a value of an input's series is sensitive, all its values are masked.
- So they are if the last was not finished by the end of the batch: finished is what the focus left, or a page that
  was left.
- In any other series (a live preview) those values are masked that lead to a sensitive one or away from it, a
  keystroke at a time.
- Prefixes of four characters or more of what was typed and masked are masked wherever they stand as a value.
"""

from .prefixes import Prefixes

# Characters that one keystroke, or one correction, changes at most between two recorded values.
STEP_CHARS = 2

_PAYLOADS = ("url", "console", "network", "custom", "other")
_SHOWN = ("text", "input", "attribute", "html", "canvas")


class Series:
    """Collects what is sensitive in a batch, and masks it with all that gives it away."""

    def __init__(self, batch):
        self._batch = batch
        # Sensitive values by series.
        self._marks = {}
        self._nodes = set()

    def mark(self, field) -> None:
        """This field's value is sensitive, whether in part or as a whole. Masks nothing yet."""
        if key := _key_of(field):
            self._nodes.add(field.node)
            self._marks.setdefault(key, set()).add(field.text)

    def mask(self, mask: str = "*") -> None:
        """Masks the series that were marked, inputs that were not finished, and what gives either away."""
        prefixes = Prefixes()
        for key, members in self._members().items():
            marked = self._marks.get(key)
            is_input = members[0].kind == "input"
            if not marked and not (is_input and self._is_unfinished(members)):
                continue
            sensitive = members if is_input else _steps_to(members, marked)
            is_typed = is_input and any(map(_is_input_event, members)) or len({field.text for field in members}) > 1
            for field in sensitive:
                field.mask(mask=mask)
                if is_typed:
                    prefixes.add(field.chunk.joined.innermost(field))
        if prefixes:
            for chunk in self._batch.chunks:
                _spread(chunk, prefixes, mask)

    def _members(self) -> dict:
        """The fields of every input and of the marked series, by series, each in order."""
        members = {}
        for chunk in self._batch.chunks:
            for field in map(chunk.field, chunk.rows_of("input", self._nodes)):
                key = _key_of(field)
                if key and (field.kind == "input" or key in self._marks):
                    members.setdefault(key, []).append(field)
        return members

    def _is_unfinished(self, members) -> bool:
        last = next(filter(_is_input_event, reversed(members)), None)
        return last is not None and not self._is_left(last)

    def _is_left(self, field) -> bool:
        """The focus went away from it or came to another node after its last value, or the page was left."""
        at = self._batch.chunks.index(field.chunk)
        for later, chunk in enumerate(self._batch.chunks[at:]):
            # A larger number alone may be a late chunk of the same page.
            if len(chunk) and chunk.field(0).page > field.page and chunk.info.chunk_index == 0:
                return True
            for event, node, focused in chunk.focus:
                if (later or event > field.event) and focused != (node == field.node):
                    return True
        return False


def _spread(chunk, prefixes: Prefixes, mask: str) -> None:
    for hit in prefixes.find(chunk):
        is_value, is_complete = hit.rule
        kind = hit.field.kind
        if kind in _PAYLOADS and (is_value or hit.is_whole) or kind in _SHOWN and (is_complete or hit.is_whole):
            hit.mask(mask)


def _key_of(field):
    """One node's input (its events and its ``value`` alike), text, or attribute; ``None`` for no node."""
    if field.node == 0:
        return None
    kind = field.kind
    return field.page, field.node, kind, "" if kind in ("input", "text") else field.name


def _is_input_event(field) -> bool:
    """Whether the field is what an input event told, not a ``value`` attribute that stood in the page."""
    return field.kind == "input" and field.name == "text"


def _steps_to(members: list, marked: set) -> list:
    """The members with a marked value, and those that lead there or away a keystroke at a time.

    What nobody typed (one value, however often it was recorded) is masked where it matched, and kept otherwise.
    """
    texts = [field.text for field in members]
    chosen = [text in marked for text in texts]
    for at in range(1, len(texts)):
        chosen[at] |= chosen[at - 1] and is_step(texts[at - 1], texts[at])
    for at in range(len(texts) - 1, 0, -1):
        chosen[at - 1] |= chosen[at] and is_step(texts[at], texts[at - 1])
    sensitive, at = [], 0
    while at < len(texts):
        end = at + 1
        while end < len(texts) and chosen[at] and chosen[end] and is_step(texts[end - 1], texts[end]):
            end += 1
        if chosen[at] and any(text != texts[at] for text in texts[at:end]):
            sensitive += members[at:end]
        at = end
    return sensitive


def is_step(before: str, after: str) -> bool:
    """Whether ``after`` is what becomes of ``before`` by a keystroke."""
    if before.startswith(after) or after.startswith(before):
        return True
    shorter = min(len(before), len(after))
    head = next(at for at in range(shorter + 1) if at == shorter or before[at] != after[at])
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head + tail > 0 and max(len(before), len(after)) - head - tail <= STEP_CHARS
