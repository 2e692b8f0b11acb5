// What README.md shows, as whoever copies it would run it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const SDK = fileURLToPath(new URL("..", import.meta.url));
const README = readFileSync(join(SDK, "README.md"), "utf8");

const project = mkdtempSync(join(tmpdir(), "replay-plugin-readme-"));
after(() => rmSync(project, { recursive: true }));
mkdirSync(join(project, "node_modules"));
symlinkSync(SDK, join(project, "node_modules/replay-plugin"));
writeFileSync(join(project, "package.json"), '{ "type": "module" }');

/** Writes a block of the README as that file of a project. */
function written(path, block) {
  const file = join(project, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, block);
  return pathToFileURL(file);
}

const blocks = Array.from(README.matchAll(/```js\n(.*?)```/gs), ([, block]) => block);
const titled = (title) => blocks.find((block) => block.startsWith(`// ${title}\n`));

// The example's own tests are tests of this file.
written("plugin.js", titled("plugin.js"));
await import(written("test/plugin.test.js", titled("test/plugin.test.js")));

test("the first plugin configures", async () => {
  const { default: configure } = await import(written("first.js", blocks[0]));
  const { guest } = await import("../src/guest.js");
  assert.equal(guest(configure).configure("null").name, "hide-orders");
});
