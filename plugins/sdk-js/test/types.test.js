// The types that are written by hand name what there is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import * as index from "../src/index.js";
import * as testing from "../src/testing.js";

/** The declaration of an export, up to the next. */
function declared(types, name) {
  const found = new RegExp(`^export (?:class|function|const) ${name}\\b.*?(?=^export |(?![^]))`, "ms").exec(types);
  return found?.[0];
}

for (const [module, file] of [[index, "index"], [testing, "testing"]]) {
  test(`every export of ${file}.js and every member of its classes has its type`, () => {
    const types = readFileSync(new URL(`../src/${file}.d.ts`, import.meta.url), "utf8");
    for (const [name, value] of Object.entries(module)) {
      const declaration = declared(types, name);
      assert.ok(declaration, name);
      if (typeof value !== "function" || !/^class\b/.test(String(value))) continue;
      const own = (holder, inherited) => Object.getOwnPropertyNames(holder).filter((key) => !(key in inherited));
      const statics = own(value, Function).filter((key) => key !== "prototype");
      for (const key of [...own(value.prototype, Object.prototype), ...statics]) {
        assert.match(declaration, new RegExp(`\\b${key}\\b`), `${name}.${key}`);
      }
    }
  });
}
