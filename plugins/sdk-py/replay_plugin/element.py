"""An element as a plugin sees it."""

from __future__ import annotations

from typing import NamedTuple


class Element(NamedTuple):
    """An element as the recording knows it: not at one moment, but in all of the batch.

    One that was moved to another parent within the batch is not known until the batch is over.
    """

    node: int
    parent: int
    """Its parent's node, 0 if there is none or it is not known."""
    tag: str
    """Lower case."""
    attributes: list[tuple[str, str]]
    """Of ``type name id class autocomplete contenteditable data-*``.

    One that changed within the batch is there once for each value, the latest last: a field may have been recorded
    under any of them.
    """

    def attribute(self, name: str) -> str | None:
        """The latest value of an attribute.

        To tell whether something must not be seen, go through all of ``values``.
        """
        return next(reversed(self.values(name)), None)

    def values(self, name: str) -> list[str]:
        """Each value that an attribute had within the batch, the latest last."""
        return [value for key, value in self.attributes if key == name]
