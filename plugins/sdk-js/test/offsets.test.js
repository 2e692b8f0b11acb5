import assert from "node:assert/strict";
import test from "node:test";

import { Offsets, byteLength, decoded, whole } from "../src/offsets.js";

test("each unit's byte, in any order", () => {
  const text = "añ漢😀b\ufeffc";
  const starts = [...text].reduce((at, char) => [...at, [at.at(-1)[0] + char.length, at.at(-1)[1] + byteLength(char)]], [[0, 0]]);
  for (const order of [starts, starts.toReversed(), starts.toSorted((a, b) => (a[1] % 3) - (b[1] % 3))]) {
    const offsets = new Offsets(text);
    for (const [unit, byte] of order) assert.equal(offsets.toByte(unit), byte);
  }
});

test("a range is widened to whole characters", () => {
  assert.deepEqual(whole("a😀b", 2, 2), [1, 3]);
  assert.deepEqual(whole("a😀b", 1, 2), [1, 3]);
  assert.deepEqual(whole("a😀b", 3, 99), [3, 4]);
  assert.deepEqual(whole("ab", 9, 1), [2, 2]);
});

test("a byte order mark stays", () => {
  assert.equal(decoded(new TextEncoder().encode("\ufeffa")), "\ufeffa");
});
