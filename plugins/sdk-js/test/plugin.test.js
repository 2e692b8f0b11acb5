import assert from "node:assert/strict";
import test from "node:test";

import { ConfigError, PluginError, Series, optionsOf } from "../src/index.js";
import { normalised } from "../src/drafts.js";
import { guest } from "../src/guest.js";
import { MemoryChunk, runInMemory, verdictsInMemory } from "../src/testing.js";

/** A plugin that does `process` and wants all that a test has. */
function plugin(process, more = {}) {
  const manifest = {
    name: "test", version: "1.0.0", kinds: ["text", "input", "url", "pixels", "network"], redacts: true,
    dropReasons: ["bot"], errorCodes: ["odd"], needsElements: true, ...more,
  };
  return () => ({ manifest, process });
}

const DIGITS = /[0-9]+/g;
const masksDigits = plugin((batch) => batch.chunks.forEach((chunk) => chunk.find(DIGITS).forEach((hit) => hit.mask())));

test("hits are mapped back to bytes of their field, whatever stands before", () => {
  const chunk = new MemoryChunk().field("text", 1, "", "漢字 12 😀34").field("custom", 2, "", "not wanted 5").field("text", 3, "", "é６7");
  assert.deepEqual(runInMemory(masksDigits, null, chunk), [["漢字 ** 😀**", "not wanted 5", "é**"]]);
  const [{ val }] = verdictsInMemory(masksDigits, null, chunk);
  assert.deepEqual(val.edits.map(({ field, start, end }) => [field, start, end]), [[0, 7, 9], [0, 14, 16], [1, 2, 6]]);
});

test("what spans two fields is left out", () => {
  const spans = plugin((batch) => batch.chunks[0].find(/a\s+b/g).forEach((hit) => hit.mask()));
  const chunk = new MemoryChunk().field("text", 1, "", "a").field("text", 2, "", "b a b");
  assert.deepEqual(runInMemory(spans, null, chunk), [["a", "b * *"]]);
});

test("what is not touched is kept, a chunk without fields too", () => {
  assert.deepEqual(verdictsInMemory(masksDigits, null, new MemoryChunk(), new MemoryChunk().field("text", 1, "", "a")), [
    { tag: "keep" }, { tag: "keep" },
  ]);
});

test("mask, replace, clear, drop and remove", () => {
  const all = plugin((batch) => {
    const [first, second] = batch.chunks;
    const [text, url, pixels] = first.fields();
    text.mask(1, 2, "█");
    url.replace(0, 5, "http:");
    pixels.mask();
    first.removeEvent(1);
    second.drop("bot");
  });
  const chunk = new MemoryChunk().field("text", 1, "", "a😀b").field("url", 2, "href", "https://x").field("pixels", 3, "", "4096");
  const [change, drop] = verdictsInMemory(all, null, chunk, new MemoryChunk());
  assert.deepEqual(drop, { tag: "drop", val: 0 });
  assert.deepEqual(change.val.edits.map((edit) => edit.replacement), [
    { tag: "mask", val: "█" }, { tag: "text", val: "http:" }, { tag: "blank" },
  ]);
  assert.deepEqual([change.val.edits[0].start, change.val.edits[0].end], [1, 5]);
  assert.deepEqual([...change.val.removeEvents], [1]);
});

test("elements are blocked if they are known, else their fields are cleared", () => {
  const blocks = plugin((batch) => {
    const chunk = batch.chunks[0];
    const inside = [...chunk.around(3)].map((element) => element.tag);
    assert.deepEqual(inside, ["b", "div"]);
    for (const field of chunk.fields()) field.block();
  });
  const chunk = new MemoryChunk().element(2, "div").element(3, "b", 2).field("text", 3, "", "known").field("text", 9, "", "unknown");
  const [{ val }] = verdictsInMemory(blocks, null, chunk);
  assert.deepEqual([...val.blockNodes], [3]);
  assert.deepEqual(val.edits.map(({ field, replacement }) => [field, replacement.tag]), [[1, "blank"]]);
});

test("an attribute that changed has each of its values", () => {
  const seen = [];
  const looks = plugin((batch) => {
    for (const node of batch.chunks[0].nodes()) {
      const element = batch.chunks[0].element(node);
      seen.push([element.values("class"), element.attribute("class"), element.values("type"), element.attribute("id")]);
    }
  });
  const chunk = new MemoryChunk()
    .element(2, "div", 0, { class: ["card", "card hidden"], type: "password" })
    .element(3, "input", 2, [["type", "password"], ["class", "a"], ["type", "text"]]);
  runInMemory(looks, null, chunk);
  assert.deepEqual(seen, [
    [["card", "card hidden"], "card hidden", ["password"], undefined],
    [["a"], "a", ["password", "text"], undefined],
  ]);
});

test("who asks for what the manifest does not announce is told", () => {
  const asks = {
    needsElements: [
      (chunk) => chunk.element(2),
      (chunk) => chunk.blockNode(2),
      (chunk) => [...chunk.around(2)],
      (chunk) => chunk.field(0).element,
      (chunk) => chunk.field(0).block(),
    ],
    needsEvents: [(chunk) => chunk.events()],
  };
  const chunk = () => new MemoryChunk().element(2, "b").field("text", 2, "", "a");
  for (const [key, questions] of Object.entries(asks)) {
    for (const ask of questions) {
      const run = (more) => verdictsInMemory(plugin((batch) => void ask(batch.chunks[0]), more), null, chunk());
      assert.throws(() => run({ [key]: undefined }), new RegExp(`does not say \`${key}: true\``), String(ask));
      run({ [key]: true });
    }
  }
});

test("moves, headers and requests leave", () => {
  const drops = plugin((batch) => {
    const chunk = batch.chunks[0];
    chunk.moves().filter(({ atMs }) => atMs % 100 !== 0).forEach((move) => chunk.dropMove(move));
    for (const field of chunk.fields("network")) field.name === "cookie" ? field.dropHeader() : field.dropRequest();
  });
  const chunk = new MemoryChunk().moves(0, 50, 100).field("network", 0, "cookie", "a=b").field("network", 0, "url", "/x");
  const [{ val }] = verdictsInMemory(drops, null, chunk);
  assert.deepEqual(val.dropItems, [
    { tag: "position", val: [0, 1] }, { tag: "header", val: 0 }, { tag: "request", val: 1 },
  ]);
});

test("overlapping edits become one that uncovers nothing", () => {
  const edit = (start, end, tag, val) => ({ field: 0, start, end, replacement: { tag, val } });
  const ranges = (edits) => normalised(edits).map(({ start, end, replacement }) => [start, end, replacement.tag]);
  assert.deepEqual(ranges([edit(4, 8, "mask", "*"), edit(0, 5, "mask", "*"), edit(8, 9, "mask", "*")]), [[0, 8, "mask"], [8, 9, "mask"]]);
  assert.deepEqual(ranges([edit(0, 4, "text", "a"), edit(2, 6, "mask", "x")]), [[0, 6, "mask"]]);
  assert.deepEqual(ranges([edit(0, 4, "text", "a"), edit(2, 6, "text", "b")]), [[0, 6, "mask"]]);
  assert.deepEqual(ranges([edit(3, 3, "text", "a"), edit(3, 3, "text", "a")]), [[3, 3, "text"]]);
  assert.deepEqual(ranges([edit(1, 2, "mask", "*"), edit(0, 9, "blank")]), [[0, 9, "blank"]]);
});

test("whatever is thrown becomes an error that quotes nothing", () => {
  const thrown = (error) => {
    const { configure, process } = guest(plugin(() => { throw error; }));
    assert.deepEqual(configure("null").errorCodes, ["odd", "exception"]);
    try {
      process([]);
    } catch (said) {
      return said;
    }
  };
  assert.equal(thrown(new PluginError("odd")), "odd");
  for (const error of [new Error("anna@example.com"), "anna@example.com", undefined, null]) {
    assert.equal(thrown(error), "exception");
  }
});

test("what was thrown is logged, bounded, if there is a log", () => {
  const logged = (error, more) => {
    const lines = [];
    const thrower = plugin(function throwing() { throw error; }, more);
    const { configure, process } = guest(thrower, (level, text) => lines.push([level, text]));
    configure("null");
    assert.throws(() => process([]));
    return lines;
  };
  const [[level, text], ...others] = logged(new RangeError("anna@example.com"));
  assert.deepEqual([level, others], ["error", []]);
  assert.match(text, /^RangeError: anna@example.com\n.*plugin\.test\.js/);
  const [[, long]] = logged(new Error("é".repeat(1e6)));
  assert.ok(Buffer.byteLength(long) <= 2048 && /é\n.*plugin\.test\.js/.test(long), long);
  assert.deepEqual(logged("words"), [["error", "words was thrown"]]);
  assert.deepEqual(logged(undefined), [["error", "undefined was thrown"]]);
  assert.deepEqual(logged(Object.create(null)), [["error", "an exception that cannot be read"]]);
  // A code says all there is, unless the manifest does not have it.
  assert.deepEqual(logged(new PluginError("odd")), []);
  assert.match(logged(new PluginError("even"))[0][1], /^PluginError: even\n/);
});

test("what is wrong with a manifest is told", () => {
  const said = (more) => {
    try {
      guest(plugin(() => {}, more)).configure("null");
    } catch (message) {
      return message;
    }
  };
  assert.equal(said({ redacts: undefined, configSchema: { type: "object" } }), undefined);
  assert.match(said({ redact: true }), /no key `redact`; there are name, version, kinds, redacts, needsEvents/);
  assert.match(said({ redacts: "yes" }), /`redacts` must be true or false/);
  assert.match(said({ needsElements: null }), /`needsElements` must be true or false/);
  assert.match(said({ dropReasons: "bot" }), /`dropReasons` must be an array of strings/);
  assert.match(said({ errorCodes: [1] }), /`errorCodes` must be an array of strings/);
  assert.match(said({ version: 1 }), /`version` must be a string/);
  assert.match(said({ version: undefined }), /lacks `version`: a string/);
  assert.match(said({ kinds: "text" }), /`kinds` must be an array of text, input/);
  assert.match(said({ kinds: ["txt"] }), /`txt` is no kind of field; there are text, input/);
  assert.match(said({ configSchema: [] }), /`configSchema` must be an object, or a string of JSON/);
  for (const made of [undefined, {}, { manifest: [] }]) {
    assert.throws(() => guest(() => made).configure("null"), (message) => /its `manifest` an object/.test(message));
  }
  assert.throws(() => runInMemory(plugin(() => {}, { redact: true }), null), /no key `redact`/);
});

test("a process that is not done when it returns is refused", () => {
  const [later, stepwise] = [plugin(async () => {}), plugin(function* () {})];
  for (const unfinished of [later, stepwise]) {
    assert.throws(() => runInMemory(unfinished, null, new MemoryChunk()), /must be done when it returns/);
  }
});

test("what is wrong with a config is told", () => {
  const { configure } = guest((config) => ({ ...plugin(() => {})(), options: optionsOf(config, { kinds: [], word: "" }) }));
  const said = (json) => {
    try {
      configure(json);
    } catch (message) {
      return message;
    }
  };
  assert.equal(said("null"), undefined);
  assert.equal(said('{"word": "a"}'), undefined);
  assert.match(said('{"wrod": "a"}'), /no setting `wrod`; there are kinds, word/);
  assert.match(said('{"kinds": "a"}'), /`kinds` must be of type array/);
  assert.throws(() => optionsOf([], {}), ConfigError);
});

test("a series of keystrokes goes as a whole, with its prefixes elsewhere", () => {
  const masks = plugin((batch) => {
    const series = new Series(batch);
    for (const hit of batch.chunks.flatMap((chunk) => chunk.find(/[a-z.]+@[a-z]+\.[a-z]+/g))) {
      hit.mask();
      series.mark(hit.field);
    }
    series.mask();
  });
  const chunk = new MemoryChunk()
    .field("input", 5, "text", "anna")
    .field("url", 0, "", "/find?q=anna&n=1")
    .field("input", 5, "text", "anna@x.io")
    .field("text", 7, "", "Savannah")
    .field("input", 6, "text", "other")
    .focus(6, false);
  assert.deepEqual(runInMemory(masks, null, chunk), [["****", "/find?q=****&n=1", "*********", "Savannah", "other"]]);
  // Nobody left the input: more may have followed.
  const unfinished = new MemoryChunk().field("input", 5, "text", "ann").field("text", 7, "", "ann");
  assert.deepEqual(runInMemory(masks, null, unfinished), [["***", "ann"]]);
  const left = new MemoryChunk().field("input", 5, "text", "ann").focus(5, false);
  assert.deepEqual(runInMemory(masks, null, left), [["ann"]]);
});
