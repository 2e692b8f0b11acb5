"""Chunks in memory, made by hand: for a plugin's own tests. Nothing of it is for the component."""

import json
import struct
from types import SimpleNamespace

from .kinds import number_of
from .running import run, told


class MemoryChunk:
    """A chunk in memory. Fields stand in the order in which they are added, each in an event of its own."""

    def __init__(self):
        self._rows, self._names, self._elements = [], [""], {}
        self._focus, self._moves, self._nodes = [], [], set()
        self._info = {
            "project_id": "", "session_id": "", "chunk_index": 0, "page": 0, "timestamp_start": 0, "timestamp_end": 0,
            "has_full_snapshot": False, "page_url": None,
        }
        self._page = self._events = 0

    @staticmethod
    def recorded(ndjson: str) -> list:
        """The chunks of a recording, from what ``plugin fields RECORDING --output json`` printed of it."""
        chunks = []
        for row in map(json.loads, filter(str.strip, ndjson.split("\n"))):
            while len(chunks) <= row["chunk"]:
                chunks.append(MemoryChunk())
            chunk = chunks[row["chunk"]]
            chunk._events = row["event"]
            chunk.field(row["kind"], row["node"], row["name"], row["text"])
        return chunks

    def info(self, **info):
        """Sets what is known of it: any of ``chunk-info``'s members."""
        self._info.update(info)
        return self

    def page(self, page: int):
        """The page load that what is added from now on belongs to."""
        self._page = page
        return self

    def field(self, kind: str, node: int, name: str, text: str):
        if name not in self._names:
            self._names.append(name)
        columns = (self._event(), node, number_of(kind), self._names.index(name), self._page, node)
        self._rows.append((columns, text))
        self._nodes.add(node)
        return self

    def focus(self, node: int, focused: bool):
        """A focus that came to a node, or left it."""
        self._focus += [self._event(), node, int(focused)]
        return self

    def moves(self, *at_ms: int):
        """One event with positions at these milliseconds."""
        event = self._event()
        for position, at in enumerate(at_ms):
            self._moves += [event, position, at]
        return self

    def element(self, node: int, tag: str, parent: int = 0, attributes=()):
        """Makes an element known: its tag, parent and attributes, a dict or a list of pairs.

        A host tells of an element as it was in all of the batch, so an attribute that changed is given all its values,
        the latest last (``{"class": ["open", "closed"]}``, or a pair for each), and an element that was moved to
        another parent is left out.
        """
        known = {"node": node, "parent": parent, "tag": tag, "attributes": _pairs(attributes)}
        self._elements[node] = SimpleNamespace(**known)
        self._nodes.add(node)
        return self

    def _event(self) -> int:
        self._events += 1
        return self._events - 1

    def source(self, kinds):
        """As the host would show it to a plugin that wants these kinds."""
        wanted = {number_of(kind) for kind in kinds}
        text, index = b"", []
        for columns, part in self._rows:
            if columns[2] in wanted:
                index += [*columns, len(text), len(text) + len(part.encode())]
                text += part.encode() + b"\n"
        fields = SimpleNamespace(text=text, index=_bytes(index), names=self._names)
        return SimpleNamespace(
            info=lambda: SimpleNamespace(**{"event_count": self._events, **self._info}),
            fields=lambda: fields,
            element=self._elements.get,
            focus=lambda: _bytes(self._focus),
            moves=lambda: _bytes(self._moves),
            nodes=lambda: _bytes(sorted(self._nodes - {0})),
            events=lambda: b"[]",
        )

    def after(self, drafts, kinds):
        """What is left of the fields' texts, ``None`` for a chunk that was dropped."""
        if drafts.dropped is not None:
            return None
        wanted = {number_of(kind) for kind in kinds}
        texts = [text for _, text in self._rows]
        rows = [row for row, (columns, _) in enumerate(self._rows) if columns[2] in wanted]
        for edit in reversed(drafts.edits):
            texts[rows[edit.field]] = _edited(texts[rows[edit.field]], edit)
        return texts


def run_in_memory(plugin, *chunks: MemoryChunk) -> list:
    """Runs a plugin on chunks in memory: the fields' texts of each chunk afterwards, or ``None`` for one that was
    dropped. Edits are applied as the host does, but for numbers and for what leaves with an element or a request.
    """
    kinds = plugin.manifest.kinds
    return [chunk.after(drafts, kinds) for chunk, drafts in zip(chunks, drafts_in_memory(plugin, *chunks))]


def drafts_in_memory(plugin, *chunks: MemoryChunk) -> list:
    """What a plugin answers to chunks in memory."""
    told(plugin.manifest)
    sources = [chunk.source(plugin.manifest.kinds) for chunk in chunks]
    return run(plugin, sources, lambda level, message: None)


def _edited(text: str, edit) -> str:
    """The bytes that an edit names, as the host replaces them."""
    data = text.encode()
    part = data[edit.start : edit.end].decode()
    masked = "".join(char if char.isspace() else edit.value for char in part)
    put = {"mask": masked, "text": edit.value, "blank": ""}[edit.tag]
    return data[: edit.start].decode() + put + data[edit.end :].decode()


def _pairs(attributes) -> list:
    """Attributes as the host tells of them."""
    if not isinstance(attributes, dict):
        return [tuple(pair) for pair in attributes]
    listed = {name: [given] if isinstance(given, str) else given for name, given in attributes.items()}
    return [(name, value) for name, values in listed.items() for value in values]


def _bytes(numbers) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)
