"""What a plugin says of itself."""

from dataclasses import dataclass, field, fields

from .kinds import KINDS, number_of


@dataclass
class Manifest:
    """Names are of ``A-Z a-z 0-9 . _ -``, at most 64. A value of another type is refused."""

    name: str
    version: str
    kinds: list
    """The kinds of fields that it wants, of ``KINDS``."""
    redacts: bool = False
    """Whether a chunk that it could not treat must not be stored."""
    needs_events: bool = False
    """Whether it asks for ``chunk.events()``."""
    needs_elements: bool = False
    """Whether it asks for elements, or blocks some."""
    drop_reasons: list = field(default_factory=list)
    """Why it may drop a chunk: ``chunk.drop`` names one."""
    error_codes: list = field(default_factory=list)
    """What ``process`` may fail with; ``exception`` is always among them."""
    config_schema: object = ""
    """The JSON Schema of its config, as a dict or a string; empty for none."""

    def __post_init__(self):
        self.check()

    def check(self) -> None:
        """Raises ``TypeError`` or ``ValueError`` for what it cannot be."""
        for member in fields(self):
            fits, takes = _TAKES[member.name]
            if not fits(getattr(self, member.name)):
                raise TypeError(f"the manifest's `{member.name}` must be {takes}")
        for kind in self.kinds:
            number_of(kind)


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_flag(value) -> bool:
    return isinstance(value, bool)


def _are_texts(value, of=(list, tuple)) -> bool:
    return isinstance(value, of) and all(map(_is_text, value))


def _are_kinds(value) -> bool:
    return _are_texts(value, (list, tuple, set, frozenset))


_TEXT = (_is_text, "a string")
_FLAG = (_is_flag, "True or False")
_TEXTS = (_are_texts, "a list of strings")
_TAKES = {
    "name": _TEXT,
    "version": _TEXT,
    "kinds": (_are_kinds, f"a list of {', '.join(KINDS)}"),
    "redacts": _FLAG,
    "needs_events": _FLAG,
    "needs_elements": _FLAG,
    "drop_reasons": _TEXTS,
    "error_codes": _TEXTS,
    "config_schema": (lambda schema: isinstance(schema, (dict, str)), "a dict, or a string of JSON"),
}
