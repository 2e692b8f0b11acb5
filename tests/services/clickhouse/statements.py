"""One statement: an insert whose rows are streamed in, a select whose rows are streamed out, or any other."""

import json
import re
import tempfile
import time
import uuid

from denials import COMMENT
from errors import ClickHouseError

STREAMED_FORMATS = {
    "csv",
    "jsoneachrow",
    "rowbinary",
    "rowbinarywithnamesandtypes",
    "tabseparated",
    "tsv",
}

INSERT = re.compile(rf"^{COMMENT}INSERT\b".encode(), re.I | re.S)
SELECT = re.compile(rf"^{COMMENT}\(?{COMMENT}(?:SELECT|WITH)\b", re.I | re.S)
# The format at the end of an insert whose rows are the body, and in the middle of one that holds its rows.
LAST_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
LAST_VALUES = re.compile(rb"\bVALUES\s*$", re.I)
INNER_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)[ \t]*(?:\r?\n|;|[ ])", re.I)
# The format that a select asks for.
SELECT_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b.*)?;?\s*$", re.I | re.S)


class Statement:
    def __init__(self, handler, connection, parameters, query, user):
        self.handler = handler
        self.connection = connection
        self.parameters = parameters or None
        self.query = query
        self.user = user

    def run(self, sql):
        body = self.handler.body
        # An insert is judged before its rows are read.
        self.handler.denials.check(sql.decode("utf-8", "replace"), self.user)
        pieces = body.decompressed() if self.query.get("decompress") == "1" else body.pieces()
        if INSERT.match(sql) and not body.done:
            found = LAST_FORMAT.search(sql)
            if found:
                return self.insert(sql[: found.start()], found[1], pieces)
            if LAST_VALUES.search(sql):
                return self.insert(LAST_VALUES.sub(b"", sql), b"Values", pieces)
        rest = b"".join(pieces)
        sql = sql + (b"\n" if sql and rest else b"") + rest
        if not sql.strip():
            raise ClickHouseError.of(62, "Syntax error: Empty query.", "SYNTAX_ERROR")
        self.handler.denials.check(sql.decode("utf-8", "replace"), self.user)
        if INSERT.match(sql):
            found = INNER_FORMAT.search(sql)
            if found and found[1].lower() != b"values":
                return self.insert(sql[: found.start()], found[1], iter([sql[found.end() :]]))
        return self.execute(sql.strip().rstrip(b"; \n\t\r"))

    def execute(self, sql):
        text = sql.decode("utf-8", "replace")  # For the patterns; chDB takes bytes, whatever they hold.
        default_format = (
            self.query.get("default_format")
            or self.handler.headers.get("X-ClickHouse-Format")
            or "TabSeparated"
        )
        found = SELECT_FORMAT.search(text)
        answer_format = found[1] if found else default_format
        if SELECT.match(text) and answer_format.lower() in STREAMED_FORMATS:
            return self.select(sql, default_format, answer_format)
        start = time.time()
        result = self.whole(sql, default_format)
        headers = [
            *self.handler.common_headers(),
            ("X-ClickHouse-Format", answer_format),
            summary(start, read=(result.storage_rows_read(), result.storage_bytes_read())),
            ("Content-Type", "application/octet-stream"),
        ]
        self.handler.answer(200, bytes(result.bytes() or b""), headers)

    def whole(self, sql, default_format):
        try:
            return self.connection.query(sql, default_format, params=self.parameters)
        except Exception as error:
            raise ClickHouseError.from_engine(error) from error

    def insert(self, head, rows_format, pieces):
        """From a file: chDB's streaming insert says "stored" also when the table refuses the rows."""
        start = time.time()
        with tempfile.NamedTemporaryFile(prefix="rows-") as rows:
            for piece in pieces:
                rows.write(piece)
            rows.flush()
            result = self.whole(head + b" FROM INFILE '%s' FORMAT %s" % (rows.name.encode(), rows_format), "Null")
        headers = [
            *self.handler.common_headers(),
            summary(start, written=(result.rows_written(), result.bytes_written())),
            ("Content-Type", "text/plain; charset=UTF-8"),
        ]
        self.handler.answer(200, b"", headers)

    def select(self, sql, default_format, answer_format):
        """One HTTP chunk for each of the engine's blocks; an error in the middle is told as a server tells it."""
        answer = Chunks(self.handler, answer_format)
        has_header = answer_format.lower() == "rowbinarywithnamesandtypes"
        header = None
        try:
            for block in self.connection.send_query(sql, default_format, params=self.parameters):
                data = bytes(block.bytes())
                # chDB writes the names and types again before each block.
                if has_header and header is None:
                    header = data[: names_and_types_bytes(data)]
                elif has_header:
                    data = data[len(header) :]
                answer.send(data)
            if not answer.is_started:  # Of an empty result only the plain call writes the header.
                answer.send(bytes(self.whole(sql, default_format).bytes() or b""))
        except (OSError, ClickHouseError):
            raise
        except Exception as error:
            error = ClickHouseError.from_engine(error)
            if not answer.is_started:
                raise error from None
            return answer.fail(error)
        answer.end()


class Chunks:
    """An answer whose length is not known when it begins."""

    def __init__(self, handler, answer_format):
        self.handler = handler
        self.format = answer_format
        self.tag = uuid.uuid4().hex[:16]
        self.is_started = False

    def send(self, data):
        if not self.is_started:
            self.is_started = True
            self.handler.send_response(200)
            for name, value in [
                *self.handler.common_headers(),
                ("X-ClickHouse-Format", self.format),
                ("X-ClickHouse-Exception-Tag", self.tag),
                ("Transfer-Encoding", "chunked"),
                ("Content-Type", "application/octet-stream"),
            ]:
                self.handler.send_header(name, value)
            self.handler.end_headers()
        if data:
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        self.handler.wfile.write(b"0\r\n\r\n")
        self.handler.wfile.flush()

    def fail(self, error):
        """The status is long sent: the error stands in the last chunk, and the end is missing."""
        words = self.handler.words(error) + "\n"
        trailer = f"{words}{len(words.encode())} {self.tag}"
        self.send(f"\r\n__exception__\r\n{self.tag}\r\n{trailer}\r\n__exception__\r\n".encode())
        self.handler.wfile.flush()
        self.handler.close_connection = True


def summary(start, read=(0, 0), written=(0, 0)):
    """What a server says it did."""
    values = {
        "read_rows": read[0],
        "read_bytes": read[1],
        "written_rows": written[0],
        "written_bytes": written[1],
        "total_rows_to_read": 0,
        "result_rows": 0,
        "result_bytes": 0,
        "elapsed_ns": int((time.time() - start) * 1e9),
    }
    return ("X-ClickHouse-Summary", json.dumps({name: str(value) for name, value in values.items()}))


def names_and_types_bytes(data):
    """How long the header of RowBinaryWithNamesAndTypes is: a count, then so many names, then types."""

    def number(at):
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    columns, at = number(0)
    for _ in range(2 * columns):
        length, at = number(at)
        at += length
    return at
