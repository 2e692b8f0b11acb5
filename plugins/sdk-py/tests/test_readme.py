"""What README.md shows, as whoever copies it would run it."""

import re
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8"), re.S)


def made(name: str, block: str) -> types.ModuleType:
    """A block of the README as a module of that name."""
    module = types.ModuleType(name)
    exec(compile(block, f"README.md: {name}", "exec"), module.__dict__)
    return module


def titled(title: str) -> str:
    return next(block for block in BLOCKS if block.startswith(f"# {title}\n"))


def load_tests(loader, tests, pattern):
    """The example's own tests are tests of this file."""
    with mock.patch.dict(sys.modules, plugin=made("plugin", titled("plugin.py"))):
        examples = made("test_plugin", titled("tests/test_plugin.py"))
    tests.addTests(loader.loadTestsFromModule(examples))
    return tests


class First(unittest.TestCase):
    def test_the_first_plugin_can_be_made(self):
        plugin = made("first", BLOCKS[0]).Plugin({"prefix": "A-"})
        self.assertEqual(plugin.manifest.name, "hide-orders")
