"""From code points, by which Python counts, to UTF-8 bytes, by which the interface does."""


class Offsets:
    """Offsets of one text.

    What lies between two offsets that are asked for is counted natively, once; ask in ascending order.
    """

    def __init__(self, text: str):
        self._text = text
        self._is_ascii = text.isascii()
        self._point = 0
        self._byte = 0

    def to_byte(self, point: int) -> int:
        """The byte at which the code point ``point`` begins."""
        if self._is_ascii:
            return point
        if point >= self._point:
            self._byte += byte_length(self._text[self._point : point])
        else:
            self._byte -= byte_length(self._text[point : self._point])
        self._point = point
        return self._byte


def byte_length(text: str) -> int:
    """Bytes that a text takes as UTF-8."""
    return len(text) if text.isascii() else len(text.encode())
