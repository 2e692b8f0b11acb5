"""What a plugin says of itself."""

from dataclasses import dataclass, field


@dataclass
class Manifest:
    """Names are of ``A-Z a-z 0-9 . _ -``, at most 64."""

    name: str
    version: str
    kinds: list
    """The kinds of fields that it wants, of ``KINDS``."""
    redacts: bool = False
    """Whether a chunk that it could not treat must not be stored."""
    needs_events: bool = False
    needs_elements: bool = False
    drop_reasons: list = field(default_factory=list)
    """Why it may drop a chunk: ``chunk.drop`` names one."""
    error_codes: list = field(default_factory=list)
    """What ``process`` may fail with; ``exception`` is always among them."""
    config_schema: object = ""
    """The JSON Schema of its config, as a dict or a string; empty for none."""
