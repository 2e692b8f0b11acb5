import random
import re
import unittest

from replay_plugin.folding import Views, fold
from replay_plugin.offsets import Offsets, byte_length


def found(source):
    """What an address is found as in the source."""
    views = Views(source)
    hits = set()
    for view, text in enumerate([source, *(folded.text for folded in views.layers)]):
        for match in re.finditer(r"[a-z.]+@[a-z.]+", text):
            start, end = views.to_source(view, *match.span())
            hits.add(source[start:end])
    return sorted(hits)


class Folding(unittest.TestCase):
    def test_one_character_in_its_spellings(self):
        spellings = {
            "%40": "@", "%C3%A9": "é", "%F0%9F%98%80": "😀", "&#64;": "@", "&#x40;": "@", "&commat;": "@",
            "\\u0040": "@", "\\x40": "@", "\\ud83d\\ude00": "😀", "\\n": "\n", "４": "4", "＠": "@", "\u00a0": " ",
            "%C2%A0": " ", "٤": "4", "\u2011": "-", "\u00ad": "", "\u200b": "", "&shy;": "", "%E2%80%8B": "",
            "\\u00ad": "",
        }
        for spelling, char in spellings.items():
            self.assertEqual(fold(spelling).text, char, spelling)

    def test_what_only_looks_like_an_escape_stays(self):
        for text in ["%4", "%zz", "%FF", "&foo;", "&#;", "&#x110000;", "\\u004", "\\ud83d", "\\q", "\\", "é"]:
            self.assertIsNone(fold(text), text)

    def test_plus_is_a_space_in_forms_only(self):
        self.assertEqual(fold("q=Quill+Lamont").text, "q=Quill Lamont")
        self.assertIsNone(fold("anna+tag@example.com"))
        self.assertIsNone(fold("a = b + c"))

    def test_layer_in_layer_and_back_to_all_that_was_written(self):
        self.assertEqual(found(r'{"a":"{\"b\":\"anna\\u0040x.io\"}"}'), [r"anna\\u0040x.io"])
        self.assertEqual(found("?next=%2Flogin%3Fu%3Danna%2540x.io"), ["anna%2540x.io"])
        self.assertEqual(found("&amp;#64; anna&amp;#64;x.io"), ["anna&amp;#64;x.io"])
        self.assertEqual(found("x=share.link%40gazette.example&y"), ["share.link%40gazette.example"])

    def test_an_escape_is_no_letter_and_what_is_not_seen_lies_inside_a_hit(self):
        self.assertEqual(found(r"to:\nanna@x.io"), ["anna@x.io"])
        views = Views("\u00ad5105\u00ad1051\u00ad")
        self.assertEqual(views.innermost, "51051051")
        self.assertEqual(views.to_source(1, 0, 8), (1, 10))

    def test_any_range_of_any_text_maps_to_a_range_of_the_source(self):
        pieces = ["a", "%", "%40", "&#64;", "\\", "\\u0040", "+", "=", "４", "\u00ad", "\u00a0", "é", "😀", "4", "x"]
        chance = random.Random(7)
        for _ in range(300):
            source = "".join(chance.choices(pieces, k=chance.randrange(14)))
            views = Views(source)
            for view, folded in enumerate(views.layers, 1):
                for start in range(len(folded.text)):
                    for end in range(start + 1, len(folded.text) + 1):
                        first, last = views.to_source(view, start, end)
                        self.assertTrue(0 <= first <= last <= len(source), (source, start, end))


class OffsetsOfText(unittest.TestCase):
    def test_each_code_points_byte_in_any_order(self):
        text = "añ漢😀b\ufeffc"
        starts = [(at, byte_length(text[:at])) for at in range(len(text) + 1)]
        for order in [starts, starts[::-1], sorted(starts, key=lambda pair: pair[1] % 3)]:
            offsets = Offsets(text)
            for point, byte in order:
                self.assertEqual(offsets.to_byte(point), byte)
