"""What a plugin is written with. See README.md; ``guest`` is for the component, ``testing`` for tests."""

from .batch import Batch, Chunk, Field, FocusChange, Hit, Move
from .element import Element
from .errors import ConfigError, PluginError, options_of
from .folding import fold
from .kinds import KINDS
from .manifest import Manifest
from .series import Series

__all__ = [
    "Batch", "Chunk", "ConfigError", "Element", "Field", "FocusChange", "Hit", "KINDS", "Manifest", "Move",
    "PluginError", "Series", "fold", "options_of",
]
