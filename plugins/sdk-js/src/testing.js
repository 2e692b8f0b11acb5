// Chunks in memory, made by hand: for a plugin's own tests. Nothing of it is for the component.

import { run } from "./guest.js";
import { numberOf } from "./kinds.js";
import { told } from "./manifest.js";

const encoder = new TextEncoder();

/** What is known of a chunk of which a test says nothing. */
const UNKNOWN = {
  projectId: "", sessionId: "", chunkIndex: 0, page: 0, timestampStart: 0n, timestampEnd: 0n, hasFullSnapshot: false,
  pageUrl: undefined,
};

/** A chunk in memory. Fields stand in the order in which they are added, each in an event of its own. */
export class MemoryChunk {
  #rows = [];
  #names = [""];
  #elements = new Map();
  #focus = [];
  #moves = [];
  #nodes = new Set();
  #info = {};
  #page = 0;
  #events = 0;

  /** The chunks of a recording, from what `plugin fields RECORDING --output json` printed of it. */
  static recorded(ndjson) {
    const chunks = [];
    for (const line of ndjson.split("\n").filter((line) => line.trim() !== "")) {
      const { chunk, event, kind, node, name, text } = JSON.parse(line);
      while (chunks.length <= chunk) chunks.push(new MemoryChunk());
      chunks[chunk].#events = event;
      chunks[chunk].field(kind, node, name, text);
    }
    return chunks;
  }

  /** Sets what is known of it: any of `chunk-info`'s members. */
  info(info) {
    this.#info = info;
    return this;
  }

  /** The page load that what is added from now on belongs to. */
  page(page) {
    this.#page = page;
    return this;
  }

  field(kind, node, name, text) {
    if (!this.#names.includes(name)) this.#names.push(name);
    const columns = [this.#events++, node, numberOf(kind), this.#names.indexOf(name), this.#page, node];
    this.#rows.push({ columns, text });
    this.#nodes.add(node);
    return this;
  }

  /** A focus that came to a node, or left it. */
  focus(node, focused) {
    this.#focus.push(this.#events++, node, focused ? 1 : 0);
    return this;
  }

  /** One event with positions at these milliseconds. */
  moves(...atMs) {
    const event = this.#events++;
    atMs.forEach((at, position) => this.#moves.push(event, position, at));
    return this;
  }

  /**
   * Makes an element known: its tag, parent and attributes, an object or a list of pairs. A host tells of an element
   * as it was in all of the batch, so an attribute that changed is given all its values, the latest last
   * (`{ class: ["open", "closed"] }`, or a pair for each), and an element that was moved to another parent is left out.
   */
  element(node, tag, parent = 0, attributes = {}) {
    this.#elements.set(node, { node, parent, tag, attributes: pairs(attributes) });
    this.#nodes.add(node);
    return this;
  }

  /** As the host would show it to a plugin that wants these kinds. */
  source(kinds) {
    const shown = this.#rows.filter(({ columns }) => kinds.includes(columns[2]));
    const [index, parts] = [[], []];
    let start = 0;
    for (const { columns, text } of shown) {
      const bytes = encoder.encode(text);
      index.push(...columns, start, start + bytes.length);
      parts.push(...bytes, 10);
      start += bytes.length + 1;
    }
    const info = { ...UNKNOWN, eventCount: this.#events, ...this.#info };
    return {
      info: () => info,
      fields: () => ({ text: Uint8Array.from(parts), index: bytesOf(index), names: this.#names }),
      element: (node) => this.#elements.get(node),
      focus: () => bytesOf(this.#focus),
      moves: () => bytesOf(this.#moves),
      nodes: () => bytesOf([...this.#nodes].filter((node) => node !== 0).sort((a, b) => a - b)),
      events: () => encoder.encode("[]"),
    };
  }

  /** What is left of the fields' texts, `undefined` for a chunk that was dropped. */
  after(verdict, kinds) {
    if (verdict.tag === "drop") return undefined;
    const texts = this.#rows.map(({ text }) => text);
    if (verdict.tag !== "change") return texts;
    const rows = [...texts.keys()].filter((row) => kinds.includes(this.#rows[row].columns[2]));
    for (const edit of verdict.val.edits.toReversed()) texts[rows[edit.field]] = edited(texts[rows[edit.field]], edit);
    return texts;
  }
}

/**
 * Runs a plugin on chunks in memory: the fields' texts of each chunk afterwards, or `undefined` for one that was
 * dropped. Edits are applied as the host does, but for numbers and for what leaves with an element or a request.
 */
export function runInMemory(configure, config, ...chunks) {
  const { verdicts, kinds } = answer(configure, config, chunks);
  return chunks.map((chunk, at) => chunk.after(verdicts[at], kinds));
}

/** What a plugin answers to chunks in memory, as it crosses the boundary. */
export function verdictsInMemory(configure, config, ...chunks) {
  return answer(configure, config, chunks).verdicts;
}

function answer(configure, config, chunks) {
  const plugin = configure(config);
  const manifest = told(plugin.manifest);
  const kinds = plugin.manifest.kinds.map(numberOf);
  return { verdicts: run(plugin, manifest, chunks.map((chunk) => chunk.source(kinds))), kinds };
}

/** The bytes that an edit names, as the host replaces them. */
function edited(text, { start, end, replacement }) {
  const bytes = encoder.encode(text);
  const part = (from, to) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(from, to));
  const put = {
    mask: () => Array.from(part(start, end), (char) => (/\s/u.test(char) ? char : replacement.val)).join(""),
    text: () => replacement.val,
    blank: () => "",
  };
  return part(0, start) + put[replacement.tag]() + part(end);
}

/** Attributes as the host tells of them. */
function pairs(attributes) {
  if (Array.isArray(attributes)) return attributes;
  return Object.entries(attributes).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
}

function bytesOf(numbers) {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}
