// All fields of a chunk searched at once: as they stand, with what only looks like another character written as
// that, and once more those whose spelling takes another length.

import { Hit } from "./batch.js";
import { MAY_MOVE, Views, alike } from "./folding.js";
import { Offsets, byteLength, decoded, whole } from "./offsets.js";

export class Joined {
  #chunk;
  /** Views of the fields that can be read otherwise, by row. */
  #views = new Map();
  /** All their folded views, each followed by `\n`. */
  #text = "";
  /** Where each of them begins in the text, whose it is, and which view. */
  #segments = [];
  #alike;

  constructor(chunk) {
    this.#chunk = chunk;
    const { text, bytes } = chunk;
    const offsets = new Offsets(text, bytes.length);
    const parts = [];
    let length = 0;
    MAY_MOVE.lastIndex = 0;
    for (let mark; (mark = MAY_MOVE.exec(text)); ) {
      const at = offsets.toByte(mark.index);
      const row = chunk.rowAt(at);
      if (row >= chunk.length) break;
      const field = chunk.field(row);
      // Between two fields, where nothing stands but the separator.
      if (at < field.start) continue;
      const views = new Views(field.text);
      if (views.layers.length > 0) {
        this.#views.set(row, views);
        views.layers.forEach((folded, layer) => {
          this.#segments.push({ start: length, row, view: layer + 1 });
          parts.push(folded.text, "\n");
          length += folded.text.length + 1;
        });
      }
      const before = decoded(bytes.subarray(field.start, at)).length;
      MAY_MOVE.lastIndex = Math.max(MAY_MOVE.lastIndex, mark.index - before + views.source.length);
    }
    this.#text = parts.join("");
  }

  /** A field's text as it reads, all layers off. */
  innermost(field) {
    return this.#views.get(field.row)?.innermost ?? field.text;
  }

  find(pattern) {
    const { text } = this.#chunk;
    this.#alike ??= alike(text);
    const hits = this.#plain(pattern, text);
    if (this.#alike !== text) hits.push(...this.#plain(pattern, this.#alike));
    hits.push(...this.#folded(pattern));
    return hits;
  }

  /** Hits in the fields' text, or in one that is as long. */
  #plain(pattern, searched) {
    const { text, bytes } = this.#chunk;
    const offsets = new Offsets(text, bytes.length);
    const hits = [];
    for (const [start, end, rule] of ranges(pattern, searched)) {
      const from = offsets.toByte(start);
      const field = this.#chunk.field(this.#chunk.rowAt(from));
      const to = offsets.toByte(end);
      if (field.row >= this.#chunk.length || from < field.start || to > field.end) continue;
      const views = this.#views.get(field.row);
      if (!views) {
        hits.push(new Hit(field, from - field.start, to - field.start, rule));
        continue;
      }
      const before = decoded(bytes.subarray(field.start, from)).length;
      push(hits, field, views, views.toSource(0, before, before + end - start), rule);
    }
    return hits;
  }

  #folded(pattern) {
    const hits = [];
    let at = 0;
    for (const [start, end, rule] of ranges(pattern, this.#text)) {
      while (this.#segments[at + 1]?.start <= start) at += 1;
      const { start: begin, row, view } = this.#segments[at];
      const views = this.#views.get(row);
      if (end - begin > views.layers[view - 1].text.length) continue;
      push(hits, this.#chunk.field(row), views, views.toSource(view, start - begin, end - begin), rule);
    }
    return hits;
  }
}

/** A hit at a range of the field's text. */
function push(hits, field, { source }, [start, end], rule) {
  if (start >= end) return;
  const from = byteLength(source.slice(0, start));
  hits.push(new Hit(field, from, from + byteLength(source.slice(start, end)), rule));
}

/** Where the pattern finds something: whole characters, not empty, in ascending order. */
function ranges(pattern, text) {
  const found = [];
  const add = (start, end, rule) => {
    const [from, to] = whole(text, start, end);
    if (from < to) found.push([from, to, rule]);
  };
  if (typeof pattern === "function") pattern(text, add);
  else for (const match of text.matchAll(pattern)) add(match.index, match.index + match[0].length);
  return found.sort((a, b) => a[0] - b[0]);
}
