import assert from "node:assert/strict";
import test from "node:test";

import { Views, fold } from "../src/folding.js";

/** What an address is found as in the source. */
function found(source) {
  const views = new Views(source);
  const texts = [source, ...views.layers.map((folded) => folded.text)];
  const hits = texts.flatMap((text, view) =>
    [...text.matchAll(/[a-z.]+@[a-z.]+/g)].map((match) => {
      const [start, end] = views.toSource(view, match.index, match.index + match[0].length);
      return source.slice(start, end);
    }),
  );
  return [...new Set(hits)].sort();
}

test("one character in its spellings", () => {
  const spellings = {
    "%40": "@", "%C3%A9": "é", "%F0%9F%98%80": "😀", "&#64;": "@", "&#x40;": "@", "&commat;": "@", "\\u0040": "@",
    "\\x40": "@", "\\ud83d\\ude00": "😀", "\\n": "\n", "４": "4", "＠": "@", "\u00a0": " ", "%C2%A0": " ",
    "٤": "4", "\u2011": "-", "\u00ad": "", "\u200b": "", "&shy;": "", "%E2%80%8B": "", "\\u00ad": "",
  };
  for (const [spelling, char] of Object.entries(spellings)) assert.equal(fold(spelling)?.text, char, spelling);
});

test("what only looks like an escape stays", () => {
  for (const text of ["%4", "%zz", "%FF", "&foo;", "&#;", "&#x110000;", "\\u004", "\\ud83d", "\\q", "\\", "é"]) {
    assert.equal(fold(text), undefined, text);
  }
});

test("plus is a space in forms only", () => {
  assert.equal(fold("q=Quill+Lamont").text, "q=Quill Lamont");
  assert.equal(fold("anna+tag@example.com"), undefined);
  assert.equal(fold("a = b + c"), undefined);
});

test("layer in layer, and back to all that was written", () => {
  assert.deepEqual(found(String.raw`{"a":"{\"b\":\"anna\\u0040x.io\"}"}`), [String.raw`anna\\u0040x.io`]);
  assert.deepEqual(found("?next=%2Flogin%3Fu%3Danna%2540x.io"), ["anna%2540x.io"]);
  assert.deepEqual(found("&amp;#64; anna&amp;#64;x.io"), ["anna&amp;#64;x.io"]);
  assert.deepEqual(found("x=share.link%40gazette.example&y"), ["share.link%40gazette.example"]);
});

test("an escape is no letter, and what is not seen lies inside a hit but not beside it", () => {
  assert.deepEqual(found(String.raw`to:\nanna@x.io`), ["anna@x.io"]);
  const views = new Views("\u00ad5105\u00ad1051\u00ad");
  assert.equal(views.innermost, "51051051");
  assert.deepEqual(views.toSource(1, 0, 8), [1, 10]);
});

test("any range of any text maps to a range of the source", () => {
  const pieces = ["a", "%", "%40", "&#64;", "\\", "\\u0040", "+", "=", "４", "\u00ad", "\u00a0", "é", "😀", "4", "x"];
  let seed = 7;
  const next = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let round = 0; round < 300; round += 1) {
    const source = Array.from({ length: next(14) }, () => pieces[next(pieces.length)]).join("");
    const views = new Views(source);
    views.layers.forEach(({ text }, layer) => {
      for (let start = 0; start < text.length; start += 1) {
        for (let end = start + 1; end <= text.length; end += 1) {
          const [from, to] = views.toSource(layer + 1, start, end);
          assert.ok(0 <= from && from <= to && to <= source.length, `${source} ${start} ${end}`);
        }
      }
    });
  }
});
