"""Request bodies: of a known length or chunked, plain or in ClickHouse's own compressed blocks."""

import struct

import lz4.block

from errors import ClickHouseError

EVERYTHING = 1 << 62
PIECE_BYTES = 1 << 20

# A compressed block: a checksum (not verified), a method, the sizes, the data.
CHECKSUM_BYTES = 16
HEADER_BYTES = CHECKSUM_BYTES + 9
METHOD_LZ4 = 0x82
METHOD_NONE = 0x02


class Body:
    """Exactly one request's body. EOFError when the client goes away in its middle."""

    def __init__(self, request):
        self.stream = request.rfile
        self.chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
        self.left = 0 if self.chunked else int(request.headers.get("Content-Length") or 0)
        self.done = not self.chunked and not self.left
        self.held = b""

    def read(self, size):
        """This many bytes, or none at the end."""
        parts, have = [self.held], len(self.held)
        while have < size and not self.done:
            part = self._next()
            parts.append(part)
            have += len(part)
        data = b"".join(parts)
        if data and len(data) < size and size != EVERYTHING:
            raise EOFError("the body is shorter than its blocks")
        self.held = data[size:]
        return data[:size]

    def all(self):
        return self.read(EVERYTHING)

    def pieces(self):
        """The rest, about a MiB at a time."""
        while not self.done or self.held:
            parts, have = [self.held], len(self.held)
            self.held = b""
            while have < PIECE_BYTES and not self.done:
                part = self._next()
                parts.append(part)
                have += len(part)
            data = b"".join(parts)
            if data:
                yield data

    def decompressed(self):
        """The rest, out of ClickHouse's blocks."""
        while header := self.read(HEADER_BYTES):
            method = header[CHECKSUM_BYTES]
            size, raw_size = struct.unpack("<II", header[CHECKSUM_BYTES + 1 :])
            data = self.read(size - (HEADER_BYTES - CHECKSUM_BYTES))
            if method == METHOD_LZ4:
                yield lz4.block.decompress(data, uncompressed_size=raw_size)
            elif method == METHOD_NONE:
                yield data
            else:
                raise ClickHouseError.of(
                    89, f"Unknown compression method 0x{method:02x}.", "UNKNOWN_COMPRESSION_METHOD"
                )

    def _next(self):
        if self.done:
            return b""
        return self._next_chunk() if self.chunked else self._next_of_length()

    def _next_chunk(self):
        line = self.stream.readline(128)
        if not line.endswith(b"\n"):
            raise EOFError("the client closed the body early")
        size = int(line.split(b";")[0], 16)
        data = self.stream.read(size) if size else b""
        if len(data) != size or len(self.stream.readline(8)) < 1:
            raise EOFError("the client closed the body early")
        self.done = size == 0
        return data

    def _next_of_length(self):
        data = self.stream.read(min(self.left, PIECE_BYTES))
        if not data:
            raise EOFError("the client closed the body early")
        self.left -= len(data)
        self.done = not self.left
        return data
