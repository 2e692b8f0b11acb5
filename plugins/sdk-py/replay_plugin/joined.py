"""All fields of a chunk searched at once: as they stand, with what only looks like another character written as that,
and once more those whose spelling takes another length."""

import re
from bisect import bisect_right

from .folding import MAY_MOVE, Views, alike
from .offsets import Offsets, byte_length


class Joined:
    def __init__(self, chunk):
        self._chunk = chunk
        # Views of the fields that can be read otherwise, by row.
        self._views = {}
        # Whose each folded view is, which, and where it begins in the text of all, each followed by a line feed.
        self._segments, self._starts, parts = [], [], []
        length = at = 0
        text, offsets = chunk.text, Offsets(chunk.text)
        while mark := MAY_MOVE.search(text, at):
            at = mark.end()
            byte = offsets.to_byte(mark.start())
            row = chunk.row_at(byte)
            if row >= len(chunk):
                break
            field = chunk.field(row)
            if byte < field.start:
                # Between two fields, where nothing stands but the separator.
                continue
            views = Views(field.text)
            if views.layers:
                self._views[row] = views
                for view, folded in enumerate(views.layers, 1):
                    self._starts.append(length)
                    self._segments.append((row, view))
                    parts.append(folded.text)
                    length += len(folded.text) + 1
            before = len(chunk.bytes[field.start : byte].decode())
            at = max(at, mark.start() - before + len(views.source))
        self._text = "".join(part + "\n" for part in parts)
        self._alike = text if text.isascii() else alike(text)

    def innermost(self, field) -> str:
        """A field's text as it reads, all layers off."""
        views = self._views.get(field.row)
        return views.innermost if views else field.text

    def find(self, pattern):
        """Row, first byte, one past the last byte, and rule of each hit."""
        yield from self._plain(pattern, self._chunk.text)
        if self._alike != self._chunk.text:
            yield from self._plain(pattern, self._alike)
        yield from self._folded(pattern)

    def _plain(self, pattern, searched: str):
        """Hits in the fields' text, or in one that is as long."""
        chunk, offsets = self._chunk, Offsets(self._chunk.text)
        for start, end, rule in _ranges(pattern, searched):
            first = offsets.to_byte(start)
            row = chunk.row_at(first)
            last = offsets.to_byte(end)
            if row >= len(chunk):
                continue
            field = chunk.field(row)
            begin = field.start
            if first < begin or last > field.end:
                continue
            views = self._views.get(row)
            if views is None:
                yield row, first - begin, last - begin, rule
            else:
                before = len(chunk.bytes[begin:first].decode())
                yield from _found(row, views, views.to_source(0, before, before + end - start), rule)

    def _folded(self, pattern):
        for start, end, rule in _ranges(pattern, self._text):
            at = bisect_right(self._starts, start) - 1
            row, view = self._segments[at]
            begin, views = self._starts[at], self._views[row]
            if end - begin <= len(views.layers[view - 1].text):
                yield from _found(row, views, views.to_source(view, start - begin, end - begin), rule)


def _found(row: int, views: Views, source_range, rule):
    """A hit at a range of the field's text."""
    start, end = source_range
    if start < end:
        first = byte_length(views.source[:start])
        yield row, first, first + byte_length(views.source[start:end]), rule


def _ranges(pattern, text: str):
    """Where the pattern finds something: not empty, in ascending order, each with its rule."""
    if isinstance(pattern, re.Pattern):
        found = ((*match.span(), None) for match in pattern.finditer(text))
    else:
        found = sorted((hit if len(hit) == 3 else (*hit, None) for hit in pattern(text)), key=lambda hit: hit[0])
    return (hit for hit in found if hit[0] < hit[1])
