"""What the engine answers when it refuses, and the HTTP status that a server puts over it."""

import re

BAD_REQUEST = (6, 26, 27, 36, 38, 41, 43, 44, 48, 53, 62, 70, 72, 117, 130, 131, 457)
NOT_FOUND = (46, 47, 57, 60, 81, 115)
FORBIDDEN = (192, 193, 497, 516)
STATUS = {
    **dict.fromkeys(BAD_REQUEST, 400),
    **dict.fromkeys(NOT_FOUND, 404),
    **dict.fromkeys(FORBIDDEN, 403),
    159: 408,
    194: 401,
}
# The server could not: all others.
FAILED = 500
# No code of ClickHouse's: a fault of this program.
UNKNOWN = 1000
OURS = 1002


class ClickHouseError(Exception):
    """An answer such as `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`."""

    def __init__(self, message):
        super().__init__(message)
        self.message = message.rstrip()
        found = re.search(r"Code: (\d+)\.", message)
        self.code = int(found[1]) if found else UNKNOWN

    @classmethod
    def of(cls, code, message, name):
        return cls(f"Code: {code}. DB::Exception: {message} ({name})")

    @classmethod
    def from_engine(cls, error):
        """Without the words that chDB puts before the engine's own."""
        return cls(re.sub(r"^.*?(?=Code: \d)", "", str(error), flags=re.S))

    @property
    def status(self):
        return STATUS.get(self.code, FAILED)
