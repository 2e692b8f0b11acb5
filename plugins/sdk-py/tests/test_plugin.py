import re
import unittest
import warnings
from dataclasses import replace

from replay_plugin import ConfigError, Manifest, Series, options_of
from replay_plugin.drafts import Edit, normalised
from replay_plugin.running import described, told
from replay_plugin.testing import MemoryChunk, drafts_in_memory, run_in_memory

KINDS = ["text", "input", "url", "pixels", "network"]


class Does:
    """A plugin that does ``process`` and wants all that a test has."""

    manifest = Manifest(
        "test", "1.0.0", KINDS, redacts=True, needs_elements=True, drop_reasons=["bot"], error_codes=["odd"]
    )

    def __init__(self, process, **more):
        self.process = process
        self.manifest = replace(self.manifest, **more)


def mask_digits(batch):
    for chunk in batch.chunks:
        for hit in chunk.find(re.compile("[0-9]+")):
            hit.mask()


class Finding(unittest.TestCase):
    def test_hits_are_mapped_back_to_bytes_of_their_field(self):
        chunk = MemoryChunk().field("text", 1, "", "漢字 12 😀34").field("custom", 2, "", "not wanted 5")
        chunk.field("text", 3, "", "é６7")
        plugin = Does(mask_digits)
        self.assertEqual(run_in_memory(plugin, chunk), [["漢字 ** 😀**", "not wanted 5", "é**"]])
        edits = drafts_in_memory(plugin, chunk)[0].edits
        self.assertEqual([(edit.field, edit.start, edit.end) for edit in edits], [(0, 7, 9), (0, 14, 16), (1, 2, 6)])

    def test_what_spans_two_fields_is_left_out(self):
        def spans(batch):
            for hit in batch.chunks[0].find(re.compile(r"a\s+b")):
                hit.mask()

        chunk = MemoryChunk().field("text", 1, "", "a").field("text", 2, "", "b a b")
        self.assertEqual(run_in_memory(Does(spans), chunk), [["a", "b * *"]])

    def test_what_is_not_touched_is_kept_a_chunk_without_fields_too(self):
        drafts = drafts_in_memory(Does(mask_digits), MemoryChunk(), MemoryChunk().field("text", 1, "", "a"))
        self.assertTrue(all(draft.is_empty and draft.dropped is None for draft in drafts))


class Answering(unittest.TestCase):
    def test_mask_replace_clear_drop_and_remove(self):
        def does(batch):
            first, second = batch.chunks
            text, url, pixels = first.fields()
            text.mask(1, 2, "█")
            url.replace(0, 5, "http:")
            pixels.mask()
            first.remove_event(1)
            second.drop("bot")

        chunk = MemoryChunk().field("text", 1, "", "a😀b").field("url", 2, "href", "https://x")
        change, drop = drafts_in_memory(Does(does), chunk.field("pixels", 3, "", "4096"), MemoryChunk())
        self.assertEqual(drop.dropped, 0)
        self.assertEqual(change.edits, [Edit(0, 1, 5, "mask", "█"), Edit(1, 0, 5, "text", "http:"), Edit(2, 0, 4, "blank")])
        self.assertEqual(change.removed, {1})

    def test_elements_are_blocked_if_they_are_known_else_their_fields_are_cleared(self):
        def blocks(batch):
            chunk = batch.chunks[0]
            self.assertEqual([element.tag for element in chunk.around(3)], ["b", "div"])
            for field in chunk.fields():
                field.block()

        chunk = MemoryChunk().element(2, "div").element(3, "b", 2)
        chunk.field("text", 3, "", "known").field("text", 9, "", "unknown")
        draft = drafts_in_memory(Does(blocks), chunk)[0]
        self.assertEqual(draft.blocked, {3})
        self.assertEqual(draft.edits, [Edit(1, 0, 7, "blank")])

    def test_an_attribute_that_changed_has_each_of_its_values(self):
        seen = []

        def looks(batch):
            for element in map(batch.chunks[0].element, batch.chunks[0].nodes()):
                seen.append([element.values("class"), element.attribute("class"), element.values("type"), element.attribute("id")])

        chunk = MemoryChunk().element(2, "div", 0, {"class": ["card", "card hidden"], "type": "password"})
        chunk.element(3, "input", 2, [("type", "password"), ("class", "a"), ("type", "text")])
        run_in_memory(Does(looks), chunk)
        self.assertEqual(seen[0], [["card", "card hidden"], "card hidden", ["password"], None])
        self.assertEqual(seen[1], [["a"], "a", ["password", "text"], None])

    def test_who_asks_for_what_the_manifest_does_not_announce_is_told(self):
        asks = {
            "needs_elements": [
                lambda chunk: chunk.element(2),
                lambda chunk: chunk.block_node(2),
                lambda chunk: list(chunk.around(2)),
                lambda chunk: chunk.field(0).element,
                lambda chunk: chunk.field(0).block(),
            ],
            "needs_events": [lambda chunk: chunk.events()],
        }
        for key, questions in asks.items():
            for ask in questions:
                chunk = MemoryChunk().element(2, "b").field("text", 2, "", "a")
                with self.assertRaisesRegex(RuntimeError, f"does not say `{key}=True`"):
                    run_in_memory(Does(lambda batch: ask(batch.chunks[0]) and None, **{key: False}), chunk)
                run_in_memory(Does(lambda batch: ask(batch.chunks[0]) and None, **{key: True}), chunk)

    def test_a_reason_that_the_manifest_does_not_have_is_refused(self):
        with self.assertRaisesRegex(ValueError, "`robot` is not one of the manifest's drop_reasons"):
            run_in_memory(Does(lambda batch: batch.chunks[0].drop("robot")), MemoryChunk())

    def test_moves_headers_and_requests_leave(self):
        def drops(batch):
            chunk = batch.chunks[0]
            for move in chunk.moves():
                if move.at_ms % 100:
                    chunk.drop_move(move)
            for field in chunk.fields("network"):
                field.drop_header() if field.name == "cookie" else field.drop_request()

        chunk = MemoryChunk().moves(0, 50, 100).field("network", 0, "cookie", "a=b").field("network", 0, "url", "/x")
        items = drafts_in_memory(Does(drops), chunk)[0].items
        self.assertEqual(items, [("position", (0, 1)), ("header", 0), ("request", 1)])

    def test_overlapping_edits_become_one_that_uncovers_nothing(self):
        def mask(start, end, value="*"):
            return Edit(0, start, end, "mask", value)

        def text(start, end, value):
            return Edit(0, start, end, "text", value)

        self.assertEqual(normalised([mask(4, 8), mask(0, 5), mask(8, 9)]), [mask(0, 8), mask(8, 9)])
        self.assertEqual(normalised([text(0, 4, "a"), mask(2, 6, "x")]), [mask(0, 6, "x")])
        self.assertEqual(normalised([text(0, 4, "a"), text(2, 6, "b")]), [mask(0, 6)])
        self.assertEqual(normalised([text(3, 3, "a"), text(3, 3, "a")]), [text(3, 3, "a")])
        self.assertEqual(normalised([mask(1, 2), Edit(0, 0, 9, "blank")]), [Edit(0, 0, 9, "blank")])


class Configuring(unittest.TestCase):
    def test_what_is_wrong_with_a_config_is_told(self):
        defaults = {"kinds": [], "word": ""}
        self.assertEqual(options_of(None, defaults), defaults)
        self.assertEqual(options_of({"word": "a"}, defaults), {"kinds": [], "word": "a"})
        with self.assertRaisesRegex(ConfigError, "no setting `wrod`; there are kinds, word"):
            options_of({"wrod": "a"}, defaults)
        with self.assertRaisesRegex(ConfigError, "`kinds` must be of type array"):
            options_of({"kinds": "a"}, defaults)
        with self.assertRaises(ConfigError):
            options_of([], {})

    def test_a_manifest_says_what_an_exception_is_called(self):
        self.assertEqual(told(Does.manifest)["error_codes"], ["odd", "exception"])
        self.assertEqual(told(Does.manifest)["kinds"], 0b1001000010011)

    def test_what_is_wrong_with_a_manifest_is_told(self):
        for more, said in [
            ({"redacts": "yes"}, "`redacts` must be True or False"),
            ({"redacts": 1}, "`redacts` must be True or False"),
            ({"needs_elements": None}, "`needs_elements` must be True or False"),
            ({"drop_reasons": "bot"}, "`drop_reasons` must be a list of strings"),
            ({"error_codes": [1]}, "`error_codes` must be a list of strings"),
            ({"version": 1}, "`version` must be a string"),
            ({"kinds": "text"}, "`kinds` must be a list of text, input"),
            ({"kinds": ["txt"]}, "`txt` is no kind of field; there are text, input"),
            ({"config_schema": []}, "`config_schema` must be a dict, or a string of JSON"),
            ({"redact": True}, "redact"),
        ]:
            with self.assertRaisesRegex((TypeError, ValueError), said):
                replace(Does.manifest, **more)
        # Changed later, it is still checked before the host gets it.
        changed = replace(Does.manifest)
        changed.redacts = "no"
        with self.assertRaisesRegex(TypeError, "`redacts` must be True or False"):
            told(changed)
        with self.assertRaisesRegex(TypeError, "must be a `Manifest`"):
            told({"name": "test"})

    def test_what_was_raised_is_described_bounded_innermost_first(self):
        def raised(error):
            try:
                raise error
            except BaseException as caught:
                return described(caught)

        self.assertRegex(raised(KeyError("anna@example.com")), r"^KeyError: 'anna@example.com'\n  .*test_plugin.py:\d+ in raised$")
        long = raised(ValueError("é" * 1_000_000))
        self.assertLessEqual(len(long.encode()), 2048)
        self.assertRegex(long, r"é\n  .*test_plugin.py:\d+ in raised$")

        def deeper():
            deeper()

        try:
            deeper()
        except RecursionError as error:
            self.assertLessEqual(len(described(error).encode()), 2048)

        class Unreadable(Exception):
            def __str__(self):
                raise ValueError

        self.assertEqual(raised(Unreadable()), "an exception that cannot be read")
        self.assertIn("\ud800".encode(errors="replace").decode(), raised(ValueError("\ud800")))

    def test_a_process_that_is_not_done_when_it_returns_is_refused(self):
        async def later(batch):
            pass

        def stepwise(batch):
            yield

        for unfinished in (later, stepwise):
            with warnings.catch_warnings(), self.assertRaisesRegex(TypeError, "must be done when it returns"):
                warnings.simplefilter("ignore")
                run_in_memory(Does(unfinished), MemoryChunk())


class Typing(unittest.TestCase):
    def masks(self, batch):
        series = Series(batch)
        for chunk in batch.chunks:
            for hit in chunk.find(re.compile(r"[a-z.]+@[a-z]+\.[a-z]+")):
                hit.mask()
                series.mark(hit.field)
        series.mask()

    def test_a_series_of_keystrokes_goes_as_a_whole_with_its_prefixes_elsewhere(self):
        chunk = MemoryChunk().field("input", 5, "text", "anna").field("url", 0, "", "/find?q=anna&n=1")
        chunk.field("input", 5, "text", "anna@x.io").field("text", 7, "", "Savannah")
        chunk.field("input", 6, "text", "other").focus(6, False)
        after = ["****", "/find?q=****&n=1", "*********", "Savannah", "other"]
        self.assertEqual(run_in_memory(Does(self.masks), chunk), [after])

    def test_what_was_not_finished_is_masked(self):
        chunk = MemoryChunk().field("input", 5, "text", "ann").field("text", 7, "", "ann")
        self.assertEqual(run_in_memory(Does(self.masks), chunk), [["***", "ann"]])
        left = MemoryChunk().field("input", 5, "text", "ann").focus(5, False)
        self.assertEqual(run_in_memory(Does(self.masks), left), [["ann"]])
