import assert from "node:assert/strict";
import test from "node:test";

import { MemoryChunk, runInMemory } from "replay-plugin/testing";

import configure from "../src/plugin.js";

/** What becomes of one text. */
function masked(text, config = null) {
  return runInMemory(configure, config, new MemoryChunk().field("text", 1, "", text))[0][0];
}

test("addresses", () => {
  assert.equal(masked("to anna.smith@example.com, thanks"), "to **********************, thanks");
  assert.equal(masked("äöü@bücher.example"), "******************");
  assert.equal(masked("?u=anna%40example.com&n=1"), "?u=******************&n=1");
  assert.equal(masked('{"a":"{\\"b\\":\\"anna\\\\u0040x.io\\"}"}'), '{"a":"{\\"b\\":\\"***************\\"}"}');
  for (const text of ["@import x", "a @ b.c", "icon@2x.png", "user@localhost", "@media (x)"]) assert.equal(masked(text), text);
});

test("cards", () => {
  assert.equal(masked("card 4111 1111 1111 1111!"), "card **** **** **** ****!");
  assert.equal(masked("3782 822463 10005"), "**** ****** *****");
  assert.equal(masked("４０１２８８８８８８８８１８８１"), "****************");
  assert.equal(masked("4111\u00a01111\u00a01111\u00a01111"), "****\u00a0****\u00a0****\u00a0****");
  assert.equal(masked("5105\u00ad1051\u00ad0510\u00ad5100"), "*******************");
  for (const text of ["4111 1111 1111 1112", "0.4111111111111111", "x4111111111111111", "0000 0000 0000 0000", "1732612345678"]) {
    assert.equal(masked(text), text);
  }
});

test("rules and mask are the operator's", () => {
  assert.equal(masked("a@b.io 4111111111111111", { rules: ["card"], mask: "x" }), "a@b.io xxxxxxxxxxxxxxxx");
  assert.throws(() => configure({ rules: ["phone"] }), /no rule `phone`/);
  assert.throws(() => configure({ mask: "?" }), /`mask` must be one of/);
  assert.throws(() => configure({ mode: 1 }), /no setting `mode`/);
});

test("keystrokes go with what they led to", () => {
  const typed = ["a", "anna", "anna@x", "anna@x.io"];
  const chunk = typed.reduce((chunk, text) => chunk.field("input", 5, "text", text), new MemoryChunk());
  chunk.focus(5, false).field("network", 0, "url", "/suggest?q=anna");
  assert.deepEqual(runInMemory(configure, null, chunk), [["*", "****", "******", "*********", "/suggest?q=****"]]);
});
