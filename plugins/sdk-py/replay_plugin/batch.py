"""A batch of chunks as a plugin sees them, whether the host is behind a component boundary or not."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Callable, Iterator, NamedTuple

from .drafts import BLANK, MASK, TEXT, Drafts, Edit
from .element import Element
from .joined import Joined
from .kinds import kind_of, number_of
from .offsets import byte_length

# Numbers of a row of the index.
_ROW = 8
_EVENT, _NODE, _KIND, _NAME, _PAGE, _ELEMENT, _START, _END = range(_ROW)

# More elements than are ever around one.
_MAX_DEPTH = 1000


class FocusChange(NamedTuple):
    """The focus came to a node, or left it."""

    event: int
    node: int
    focused: bool


class Move(NamedTuple):
    """One position of a mouse, touch or drag move."""

    event: int
    position: int
    at_ms: int


class Batch:
    """The chunks of one sealed batch: one tenant, one session, in order of play."""

    def __init__(self, sources, manifest, log: Callable[[str, str], None] = lambda level, message: None):
        self.chunks = [Chunk(source, manifest) for source in sources]
        # `log(level, message)`, a level of `debug info warn error`: counted in production, where no word of it is
        # kept, and printed by `plugin test`.
        self.log = log

    def fields(self, kind: str | None = None) -> Iterator[Field]:
        """The fields of all its chunks; of one kind if asked."""
        for chunk in self.chunks:
            yield from chunk.fields(kind)


class Chunk:
    """One chunk: what it holds, and what the plugin made of it so far."""

    def __init__(self, source, manifest):
        fields = source.fields()
        self._source = source
        self._manifest = manifest
        self._elements = {}
        self.bytes = bytes(fields.text)
        # Little-endian, as all of WebAssembly's numbers.
        self.index = memoryview(bytes(fields.index)).cast("I")
        # The names that its fields have; row 0 is empty.
        self.names = fields.names
        # What is to be answered. For the SDK.
        self.drafts = Drafts()

    def __len__(self) -> int:
        """Number of its fields."""
        return len(self.index) // _ROW

    @cached_property
    def text(self) -> str:
        """The text of all fields, each followed by a line feed: to search them all at once."""
        return self.bytes.decode()

    @cached_property
    def info(self):
        """What is known of it: ``project_id``, ``session_id``, ``chunk_index``, ``page_url``, …"""
        return self._source.info()

    def field(self, row: int) -> Field:
        """One field, by its row."""
        return Field(self, row)

    def fields(self, kind: str | None = None) -> Iterator[Field]:
        """Its fields in the order in which they stand in the events; of one kind if asked."""
        wanted = None if kind is None else number_of(kind)
        for row, number in enumerate(self.index[_KIND::_ROW].tolist()):
            if wanted is None or number == wanted:
                yield Field(self, row)

    @cached_property
    def joined(self) -> Joined:
        """Its fields, folded where they can be read otherwise: made once."""
        return Joined(self)

    def find(self, pattern: re.Pattern | Callable) -> list[Hit]:
        """All that ``pattern`` finds in any field, however it is spelled.

        One pass over the joined text, and one over what reads otherwise. ``pattern`` is a compiled regular
        expression, or a function of a text that yields ``(start, end)`` or ``(start, end, rule)`` for each hit. What
        spans fields is left out. Hits may overlap.
        """
        return [
            Hit(self.field(row), start, end, rule) for row, start, end, rule in self.joined.find(pattern)
        ]

    def element(self, node: int) -> Element | None:
        """An element of the chunk's page, or ``None``: then treat its fields as user text or input.

        For a manifest with ``needs_elements``; without it the host knows none, which must not look like a page
        without elements.
        """
        self._require("needs_elements", "no element is known")
        if node not in self._elements:
            known = self._source.element(node)
            self._elements[node] = known and Element(known.node, known.parent, known.tag, known.attributes)
        return self._elements[node]

    def around(self, node: int) -> Iterator[Element]:
        """The element and those around it, inside out. Bounded, whatever the host says."""
        for _ in range(_MAX_DEPTH):
            element = self.element(node) if node else None
            if element is None:
                return
            yield element
            node = element.parent

    @cached_property
    def focus(self) -> list[FocusChange]:
        """Where the focus went, in order."""
        return [FocusChange(event, node, came != 0) for event, node, came in _triples(self._source.focus())]

    def moves(self) -> list[Move]:
        """Where mouse, touch and drag went, in order."""
        return [Move(*row) for row in _triples(self._source.moves())]

    def nodes(self) -> list[int]:
        """Every node that its events name, in ascending order, whether it has a field or not."""
        return memoryview(bytes(self._source.nodes())).cast("I").tolist()

    def events(self) -> bytes:
        """The events as one JSON array. Slow: for a manifest with ``needs_events``.

        Those that a plugin before this one removed are not there: then a field's ``event``, which counts
        them, is no position in the array.
        """
        self._require("needs_events", "no events are handed over")
        return self._source.events()

    def drop(self, reason: str) -> None:
        """Leaves the chunk out, for one of the manifest's ``drop_reasons``."""
        if reason not in self._manifest.drop_reasons:
            raise ValueError(f"`{reason}` is not one of the manifest's drop_reasons")
        self.drafts.dropped = self._manifest.drop_reasons.index(reason)

    def remove_event(self, event: int) -> None:
        """Leaves an event out. Only what playback can miss: see the interface."""
        self.drafts.removed.add(event)

    def drop_move(self, move: Move) -> None:
        """Leaves a position of ``moves()`` out."""
        self.drafts.items.append(("position", (move.event, move.position)))

    def block_node(self, node: int) -> bool:
        """Leaves nothing of an element but its box. False, and nothing done, if the host does not know it.

        For a manifest with ``needs_elements``, as all that asks for elements.
        """
        if self.element(node) is None:
            return False
        self.drafts.blocked.add(node)
        return True

    def replace_events(self, events: bytes) -> None:
        """Puts a whole new array of events in the place of these."""
        self.drafts.replaced = events

    @cached_property
    def ends(self) -> list[int]:
        """One past the last byte of each field's text."""
        return self.index[_END::_ROW].tolist()

    def rows_of(self, kind: str, nodes: set[int]) -> list[int]:
        """The rows of fields of that kind, and of those whose node is in ``nodes``: without a handle for each field."""
        wanted = number_of(kind)
        columns = zip(self.index[_KIND::_ROW].tolist(), self.index[_NODE::_ROW].tolist())
        return [row for row, (number, node) in enumerate(columns) if number == wanted or node in nodes]

    def row_at(self, byte: int) -> int:
        """The row of the field that holds this byte of the joined text."""
        return bisect_right(self.ends, byte)

    def _require(self, key: str, otherwise: str) -> None:
        if not getattr(self._manifest, key):
            raise RuntimeError(f"the manifest does not say `{key}=True`: without it {otherwise}")


class Field:
    """One text of a recording. Offsets are code points of its text."""

    __slots__ = ("chunk", "row")

    def __init__(self, chunk: Chunk, row: int):
        self.chunk = chunk
        # By which the interface names it.
        self.row = row

    def _column(self, column: int) -> int:
        return self.chunk.index[self.row * _ROW + column]

    @property
    def kind(self) -> str:
        """What it is: one of ``KINDS``."""
        return kind_of(self._column(_KIND))

    @property
    def text(self) -> str:
        """Its decoded text."""
        return self.chunk.bytes[self.start : self.end].decode()

    @property
    def name(self) -> str:
        """The name of its attribute, property or key; empty for none."""
        return self.chunk.names[self._column(_NAME)]

    @property
    def event(self) -> int:
        """Position of its event in the chunk."""
        return self._column(_EVENT)

    @property
    def node(self) -> int:
        """The node that it belongs to, 0 for none."""
        return self._column(_NODE)

    @property
    def page(self) -> int:
        """Which page load of the batch: node ids restart on each."""
        return self._column(_PAGE)

    @property
    def element(self) -> Element | None:
        """The nearest element, or ``None``: then treat the field as user text or input."""
        node = self._column(_ELEMENT)
        return self.chunk.element(node) if node else None

    @property
    def start(self) -> int:
        """First byte of its text in the chunk's."""
        return self._column(_START)

    @property
    def end(self) -> int:
        """One past the last byte of its text in the chunk's."""
        return self._column(_END)

    def mask(self, start: int = 0, end: int | None = None, mask: str = "*") -> None:
        """Masks a range, or all of it; a picture is cleared. ``mask`` is one of ``* • █ x 0``."""
        if self.kind == "pixels":
            self.clear()
        else:
            self._edit(start, end, MASK, mask)

    def replace(self, start: int, end: int | None, text: str) -> None:
        """Puts text in the place of a range."""
        self._edit(start, end, TEXT, text)

    def clear(self) -> None:
        """Nothing in the place of all of it: no text, an empty picture, 0."""
        self.chunk.drafts.edits.append(Edit(self.row, 0, self.end - self.start, BLANK))

    def block(self) -> None:
        """Leaves nothing of its element but the box; clears the field if the host does not know the element."""
        node = self._column(_ELEMENT)
        if not (node and self.chunk.block_node(node)):
            self.clear()

    def drop_header(self) -> None:
        """The header that it belongs to leaves, name and value; a field of no header is cleared."""
        self.chunk.drafts.items.append(("header", self.row))

    def drop_request(self) -> None:
        """The request that it belongs to leaves; a field of no request is cleared."""
        self.chunk.drafts.items.append(("request", self.row))

    def _edit(self, start: int, end: int | None, tag: str, value: str) -> None:
        text = self.text
        end = len(text) if end is None else min(end, len(text))
        start = max(0, min(start, end))
        if tag == MASK and start == end:
            return
        begin = byte_length(text[:start])
        self.chunk.drafts.edits.append(Edit(self.row, begin, begin + byte_length(text[start:end]), tag, value))


class Hit(NamedTuple):
    """Something that was found: a field and a range of its bytes, and what the pattern's function said of it."""

    field: Field
    start: int
    end: int
    rule: object = None

    @property
    def text(self) -> str:
        """As it is written."""
        return self.field.chunk.bytes[self.field.start + self.start : self.field.start + self.end].decode()

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its field, white space aside."""
        return self.text == self.field.text.strip()

    def mask(self, mask: str = "*") -> None:
        """Masks it; ``mask`` is one of ``* • █ x 0``."""
        self._edit(MASK, mask)

    def replace(self, text: str) -> None:
        """Puts text in its place."""
        self._edit(TEXT, text)

    def _edit(self, tag: str, value: str) -> None:
        edit = Edit(self.field.row, self.start, self.end, tag, value)
        self.field.chunk.drafts.edits.append(edit)


def _triples(data):
    numbers = memoryview(bytes(data)).cast("I").tolist()
    return zip(numbers[0::3], numbers[1::3], numbers[2::3])
