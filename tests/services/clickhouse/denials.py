"""Statements that are refused as a server refuses them to a user who lacks the grant."""

import re

from errors import ClickHouseError

# What may stand before a statement.
COMMENT = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"


class Denials:
    def __init__(self, patterns):
        self.patterns = [re.compile(COMMENT + spaced(pattern), re.I | re.S) for pattern in patterns]

    def check(self, statement, user):
        """Raises code 497 when the statement begins as one of the patterns does."""
        for pattern in self.patterns:
            if pattern.match(statement):
                raise ClickHouseError.of(
                    497,
                    f"{user}: Not enough privileges. To execute this query, it's necessary to have a grant "
                    "that this user does not have.",
                    "ACCESS_DENIED",
                )


def spaced(pattern):
    """A space stands for any white space, as it does in SQL."""
    return r"\s+".join(pattern.strip().split(" "))
