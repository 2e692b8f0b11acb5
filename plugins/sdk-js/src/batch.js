// A batch of chunks as a plugin sees them, whether the host is behind a component boundary or not.

import { Drafts } from "./drafts.js";
import { Element } from "./element.js";
import { Joined } from "./joined.js";
import { kindOf, numberOf } from "./kinds.js";
import { byteLength, decoded, whole } from "./offsets.js";

/** Numbers of a row of the index: event, node, kind, name, page, element, start, end. */
const ROW = 8;
const [EVENT, NODE, KIND, NAME, PAGE, ELEMENT, START, END] = [0, 1, 2, 3, 4, 5, 6, 7];

/** The chunks of one sealed batch: one tenant, one session, in order of play. */
export class Batch {
  /** `sources`: where each chunk comes from, with the interface's functions. */
  constructor(sources, manifest, log = () => {}) {
    /**
     * `log(level, message)`, a level of `debug info warn error`: counted in production, where no word of it is kept,
     * and printed by `plugin test`.
     */
    this.log = log;
    this.chunks = Array.from(sources, (source) => new Chunk(source, manifest));
  }

  /** The fields of all its chunks; of one kind if asked. */
  *fields(kind) {
    for (const chunk of this.chunks) yield* chunk.fields(kind);
  }

  /** The answer: one verdict for each chunk. */
  verdicts() {
    return this.chunks.map((chunk) => chunk.drafts.verdict());
  }
}

/** One chunk: what it holds, and what the plugin made of it so far. */
export class Chunk {
  #source;
  #manifest;
  #text;
  #joined;
  #info;
  #focus;
  #elements = new Map();

  constructor(source, manifest) {
    const { text, index, names } = source.fields();
    this.#source = source;
    this.#manifest = manifest;
    this.bytes = text;
    this.index = u32s(index);
    /** The names that its fields have; row 0 is empty. */
    this.names = names;
    /** What is to be answered. For the SDK. */
    this.drafts = new Drafts();
  }

  /** Number of its fields. */
  get length() {
    return this.index.length / ROW;
  }

  /** The text of all fields, each followed by `\n`: to search them all at once. */
  get text() {
    return (this.#text ??= decoded(this.bytes));
  }

  /**
   * What is known of it: `{ projectId, sessionId, chunkIndex, page, timestampStart, timestampEnd, eventCount,
   * hasFullSnapshot, pageUrl }`. The timestamps are BigInts.
   */
  get info() {
    return (this.#info ??= this.#source.info());
  }

  /** One field, by its row. */
  field(row) {
    return new Field(this, row);
  }

  /** Its fields in the order in which they stand in the events; of one kind if asked. */
  *fields(kind) {
    const wanted = kind === undefined ? undefined : numberOf(kind);
    for (let row = 0; row < this.length; row += 1) {
      if (wanted === undefined || this.index[row * ROW + KIND] === wanted) yield new Field(this, row);
    }
  }

  /** Its fields, folded where they can be read otherwise: made once. */
  get joined() {
    return (this.#joined ??= new Joined(this));
  }

  /**
   * All that `pattern` finds in any field, however it is spelled: one pass over the joined text, and one over
   * what reads otherwise. `pattern` is a global regular expression, or a function `(text, found)` that calls
   * `found(start, end, rule)` for each hit. What spans fields is left out. Hits may overlap.
   * @returns {Hit[]}
   */
  find(pattern) {
    return this.joined.find(pattern);
  }

  /**
   * An element of the chunk's page, or `undefined`: then treat its fields as user text or input. For a manifest with
   * `needsElements`; without it the host knows none, which must not look like a page without elements.
   * @returns {Element | undefined}
   */
  element(node) {
    this.#requireOf("needsElements", "no element is known");
    if (!this.#elements.has(node)) {
      const known = this.#source.element(node);
      this.#elements.set(node, known && new Element(known));
    }
    return this.#elements.get(node);
  }

  /** The element and those around it, inside out. Bounded, whatever the host says. */
  *around(node) {
    for (let [at, steps] = [node, 0]; at !== 0 && steps < 1000; steps += 1) {
      const element = this.element(at);
      if (!element) return;
      yield element;
      at = element.parent;
    }
  }

  /** Where the focus went: `{ event, node, focused }`, in order. */
  get focus() {
    return (this.#focus ??= rows(this.#source.focus(), ([event, node, came]) => ({ event, node, focused: came !== 0 })));
  }

  /** Where mouse, touch and drag went: `{ event, position, atMs }`, in order. */
  moves() {
    return rows(this.#source.moves(), ([event, position, atMs]) => ({ event, position, atMs }));
  }

  /** Every node that its events name, in ascending order, whether it has a field or not. */
  nodes() {
    return Array.from(u32s(this.#source.nodes()));
  }

  /**
   * The events as one JSON array, as bytes. Slow: for a manifest with `needsEvents`. Those that a plugin before this
   * one removed are not there: then a field's `event`, which counts them, is no position in the array.
   */
  events() {
    this.#requireOf("needsEvents", "no events are handed over");
    return this.#source.events();
  }

  /** Leaves the chunk out, for one of the manifest's `dropReasons`. */
  drop(reason) {
    const row = this.#manifest.dropReasons.indexOf(reason);
    if (row < 0) throw new TypeError(`\`${reason}\` is not one of the manifest's dropReasons`);
    this.drafts.dropped = row;
  }

  /** Leaves an event out. Only what playback can miss: see the interface. */
  removeEvent(event) {
    this.drafts.removed.add(event);
  }

  /** Leaves a position of `moves()` out. */
  dropMove(move) {
    this.drafts.items.push({ tag: "position", val: [move.event, move.position] });
  }

  /**
   * Leaves nothing of an element but its box. False, and nothing done, if the host does not know it. For a manifest
   * with `needsElements`, as all that asks for elements.
   */
  blockNode(node) {
    if (!this.element(node)) return false;
    this.drafts.blocked.add(node);
    return true;
  }

  /** Puts a whole new array of events, JSON as bytes, in the place of these. */
  replaceEvents(events) {
    this.drafts.replaced = events;
  }

  /** The rows of fields of that kind, and of those whose node is in `nodes`: without a handle for each field. */
  rowsOf(kind, nodes) {
    const { index } = this;
    const [wanted, rows] = [numberOf(kind), []];
    for (let at = 0; at < index.length; at += ROW) {
      if (index[at + KIND] === wanted || nodes.has(index[at + NODE])) rows.push(at / ROW);
    }
    return rows;
  }

  /** The row of the field that holds this byte of the joined text. */
  rowAt(byte) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index[middle * ROW + END] <= byte) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #requireOf(key, otherwise) {
    if (!this.#manifest[key]) throw new Error(`the manifest does not say \`${key}: true\`: without it ${otherwise}`);
  }
}

/** One text of a recording. Offsets are UTF-16 units of its text, and are widened to whole characters. */
export class Field {
  constructor(chunk, row) {
    this.chunk = chunk;
    /** By which the interface names it. */
    this.row = row;
  }

  /** What it is: one of `KINDS`. */
  get kind() {
    return kindOf(this.chunk.index[this.row * ROW + KIND]);
  }

  /** Its decoded text. */
  get text() {
    return decoded(this.chunk.bytes.subarray(this.start, this.end));
  }

  /** The name of its attribute, property or key; empty for none. */
  get name() {
    return this.chunk.names[this.chunk.index[this.row * ROW + NAME]] ?? "";
  }

  /** Position of its event in the chunk. */
  get event() {
    return this.chunk.index[this.row * ROW + EVENT];
  }

  /** The node that it belongs to, 0 for none. */
  get node() {
    return this.chunk.index[this.row * ROW + NODE];
  }

  /** Which page load of the batch: node ids restart on each. */
  get page() {
    return this.chunk.index[this.row * ROW + PAGE];
  }

  /** The nearest element, or `undefined`: then treat the field as user text or input. */
  get element() {
    const node = this.chunk.index[this.row * ROW + ELEMENT];
    return node === 0 ? undefined : this.chunk.element(node);
  }

  /** First byte of its text in the chunk's. */
  get start() {
    return this.chunk.index[this.row * ROW + START];
  }

  /** One past the last byte of its text in the chunk's. */
  get end() {
    return this.chunk.index[this.row * ROW + END];
  }

  /** Masks a range, or all of it; a picture is cleared. `mask` is one of `* • █ x 0`. */
  mask(start = 0, end = Infinity, mask = "*") {
    if (this.kind === "pixels") this.clear();
    else this.#edit(start, end, { tag: "mask", val: mask });
  }

  /** Puts text in the place of a range. */
  replace(start, end, text) {
    this.#edit(start, end, { tag: "text", val: text });
  }

  /** Nothing in the place of all of it: no text, an empty picture, 0. */
  clear() {
    this.chunk.drafts.edit(this.row, 0, this.end - this.start, { tag: "blank" });
  }

  /** Leaves nothing of its element but the box; clears the field if the host does not know the element. */
  block() {
    const node = this.chunk.index[this.row * ROW + ELEMENT];
    if (node === 0 || !this.chunk.blockNode(node)) this.clear();
  }

  /** The header that it belongs to leaves, name and value; a field of no header is cleared. */
  dropHeader() {
    this.chunk.drafts.items.push({ tag: "header", val: this.row });
  }

  /** The request that it belongs to leaves; a field of no request is cleared. */
  dropRequest() {
    this.chunk.drafts.items.push({ tag: "request", val: this.row });
  }

  #edit(start, end, replacement) {
    const text = this.text;
    const [from, to] = whole(text, start, end);
    if (replacement.tag === "mask" && from === to) return;
    const begin = byteLength(text.slice(0, from));
    this.chunk.drafts.edit(this.row, begin, begin + byteLength(text.slice(from, to)), replacement);
  }
}

/** Something that was found: a field and a range of its bytes. */
export class Hit {
  constructor(field, start, end, rule) {
    this.field = field;
    this.start = start;
    this.end = end;
    /** What the pattern's function said of it. */
    this.rule = rule;
  }

  /** As it is written. */
  get text() {
    const { bytes } = this.field.chunk;
    return decoded(bytes.subarray(this.field.start + this.start, this.field.start + this.end));
  }

  /** Whether it is all of its field, white space aside. */
  get isWhole() {
    return this.text === this.field.text.trim();
  }

  /** Masks it; `mask` is one of `* • █ x 0`. */
  mask(mask = "*") {
    this.#edit({ tag: "mask", val: mask });
  }

  /** Puts text in its place. */
  replace(text) {
    this.#edit({ tag: "text", val: text });
  }

  #edit(replacement) {
    this.field.chunk.drafts.edit(this.field.row, this.start, this.end, replacement);
  }
}

/** Little-endian numbers, as all of WebAssembly's. */
function u32s(bytes) {
  const isAligned = bytes.byteOffset % 4 === 0;
  const aligned = isAligned ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

function rows(bytes, row) {
  const numbers = u32s(bytes);
  return Array.from({ length: numbers.length / 3 }, (_, at) => row(numbers.subarray(3 * at, 3 * at + 3)));
}
