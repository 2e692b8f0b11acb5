import unittest

from plugin import Plugin
from replay_plugin import ConfigError
from replay_plugin.testing import MemoryChunk, run_in_memory


def masked(text, config=None):
    """What becomes of one text."""
    return run_in_memory(Plugin(config), MemoryChunk().field("text", 1, "", text))[0][0]


class MaskBasics(unittest.TestCase):
    def test_addresses(self):
        self.assertEqual(masked("to anna.smith@example.com, thanks"), "to **********************, thanks")
        self.assertEqual(masked("äöü@bücher.example"), "******************")
        self.assertEqual(masked("?u=anna%40example.com&n=1"), "?u=******************&n=1")
        self.assertEqual(masked(r'{"a":"{\"b\":\"anna\\u0040x.io\"}"}'), r'{"a":"{\"b\":\"***************\"}"}')
        for text in ["@import x", "a @ b.c", "icon@2x.png", "user@localhost", "@media (x)"]:
            self.assertEqual(masked(text), text)

    def test_cards(self):
        self.assertEqual(masked("card 4111 1111 1111 1111!"), "card **** **** **** ****!")
        self.assertEqual(masked("3782 822463 10005"), "**** ****** *****")
        self.assertEqual(masked("４０１２８８８８８８８８１８８１"), "****************")
        self.assertEqual(masked("4111\u00a01111\u00a01111\u00a01111"), "****\u00a0****\u00a0****\u00a0****")
        self.assertEqual(masked("5105\u00ad1051\u00ad0510\u00ad5100"), "*******************")
        for text in [
            "4111 1111 1111 1112", "0.4111111111111111", "x4111111111111111", "0000 0000 0000 0000", "1732612345678",
        ]:
            self.assertEqual(masked(text), text)

    def test_rules_and_mask_are_the_operators(self):
        self.assertEqual(masked("a@b.io 4111111111111111", {"rules": ["card"], "mask": "x"}), "a@b.io xxxxxxxxxxxxxxxx")
        for config, said in [
            ({"rules": ["phone"]}, "no rule `phone`"),
            ({"mask": "?"}, "`mask` must be one of"),
            ({"mode": 1}, "no setting `mode`"),
        ]:
            with self.assertRaisesRegex(ConfigError, said):
                Plugin(config)

    def test_keystrokes_go_with_what_they_led_to(self):
        chunk = MemoryChunk()
        for text in ["a", "anna", "anna@x", "anna@x.io"]:
            chunk.field("input", 5, "text", text)
        chunk.focus(5, False).field("network", 0, "url", "/suggest?q=anna")
        after = ["*", "****", "******", "*********", "/suggest?q=****"]
        self.assertEqual(run_in_memory(Plugin(None), chunk), [after])
