// What was typed key by key.
//
// An input leaves every prefix of its value in the recording: `a`, `an`, … `anna.smith@exampl`. A pattern sees
// only the last. So values are taken together: a *series* is what one node's input, text or attribute held over
// the batch.
//
// - If a value of an input's series is sensitive, all its values are masked.
// - So they are if the last was not finished by the end of the batch: finished is what the focus left, or a page
//   that was left.
// - In any other series (a live preview) those values are masked that lead to a sensitive one or away from it, a
//   keystroke at a time.
// - Prefixes of four characters or more of what was typed and masked are masked wherever they stand as a value.

import { Prefixes } from "./prefixes.js";

/** Characters that one keystroke, or one correction, changes at most between two recorded values. */
const STEP_CHARS = 2;

const PAYLOADS = ["url", "console", "network", "custom", "other"];
const SHOWN = ["text", "input", "attribute", "html", "canvas"];

/** Collects what is sensitive in a batch, and masks it with all that gives it away. */
export class Series {
  #batch;
  /** Sensitive values by series: a set of texts. */
  #marks = new Map();
  #nodes = new Set();

  constructor(batch) {
    this.#batch = batch;
  }

  /** This field's value is sensitive, whether in part or as a whole. Masks nothing yet. */
  mark(field) {
    const key = keyOf(field);
    if (key === undefined) return;
    this.#nodes.add(field.node);
    const values = this.#marks.get(key);
    if (values) values.add(field.text);
    else this.#marks.set(key, new Set([field.text]));
  }

  /** Masks the series that were marked, inputs that were not finished, and what gives either away. */
  mask(mask = "*") {
    const prefixes = new Prefixes();
    for (const [key, members] of this.#members()) {
      const marked = this.#marks.get(key);
      const isInput = members[0].kind === "input";
      if (!marked && !(isInput && this.#isUnfinished(members))) continue;
      const sensitive = isInput ? members : stepsTo(members, marked);
      const isTyped = (isInput && members.some(isInputEvent)) || new Set(members.map((field) => field.text)).size > 1;
      for (const field of sensitive) {
        field.mask(0, Infinity, mask);
        if (isTyped) prefixes.add(field.chunk.joined.innermost(field));
      }
    }
    if (prefixes.isEmpty) return;
    for (const chunk of this.#batch.chunks) this.#spread(chunk, prefixes, mask);
  }

  /** The fields of every input and of the marked series, by series, each in order. */
  #members() {
    const members = new Map();
    for (const chunk of this.#batch.chunks) {
      for (const row of chunk.rowsOf("input", this.#nodes)) {
        const field = chunk.field(row);
        const key = keyOf(field);
        if (key === undefined || !(field.kind === "input" || this.#marks.has(key))) continue;
        if (members.has(key)) members.get(key).push(field);
        else members.set(key, [field]);
      }
    }
    return members;
  }

  #isUnfinished(members) {
    const last = members.findLast(isInputEvent);
    return last !== undefined && !this.#isLeft(last);
  }

  /** The focus went away from it or came to another node after its last value, or the page was left. */
  #isLeft(field) {
    const at = this.#batch.chunks.indexOf(field.chunk);
    return this.#batch.chunks.slice(at).some((chunk, later) => {
      // A larger number alone may be a late chunk of the same page.
      const isOtherPage = chunk.length > 0 && chunk.field(0).page > field.page && chunk.info.chunkIndex === 0;
      const leaves = ({ event, node, focused }) =>
        (later > 0 || event > field.event) && focused !== (node === field.node);
      return isOtherPage || chunk.focus.some(leaves);
    });
  }

  #spread(chunk, prefixes, mask) {
    for (const hit of prefixes.find(chunk)) {
      const { kind } = hit.field;
      const { isValue, isComplete } = hit.rule;
      const counts = PAYLOADS.includes(kind)
        ? isValue || hit.isWhole
        : SHOWN.includes(kind) && (isComplete || hit.isWhole);
      if (counts) hit.mask(mask);
    }
  }
}

/** One node's input (its events and its `value` alike), text, or attribute; `undefined` for no node. */
function keyOf(field) {
  const { page, node, kind } = field;
  if (node === 0) return undefined;
  return `${page} ${node} ${kind} ${kind === "input" || kind === "text" ? "" : field.name}`;
}

/** Whether the field is what an input event told, not a `value` attribute that stood in the page. */
function isInputEvent(field) {
  return field.kind === "input" && field.name === "text";
}

/**
 * The members with a marked value, and those that lead there or away a keystroke at a time. What nobody typed (one
 * value, however often it was recorded) is masked where it matched, and kept otherwise.
 */
function stepsTo(members, marked) {
  const texts = members.map((field) => field.text);
  const chosen = texts.map((text) => marked.has(text));
  for (let at = 1; at < texts.length; at += 1) chosen[at] ||= chosen[at - 1] && isStep(texts[at - 1], texts[at]);
  for (let at = texts.length - 1; at > 0; at -= 1) chosen[at - 1] ||= chosen[at] && isStep(texts[at], texts[at - 1]);
  const sensitive = [];
  for (let at = 0; at < texts.length; ) {
    let end = at + 1;
    while (end < texts.length && chosen[at] && chosen[end] && isStep(texts[end - 1], texts[end])) end += 1;
    const isStill = texts.slice(at, end).every((text) => text === texts[at]);
    if (chosen[at] && !isStill) sensitive.push(...members.slice(at, end));
    at = end;
  }
  return sensitive;
}

/** Whether `to` is what becomes of `from` by a keystroke. */
export function isStep(from, to) {
  if (from.startsWith(to) || to.startsWith(from)) return true;
  const [a, b] = [Array.from(from), Array.from(to)];
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const differing = (chars) => chars.length - head - tail;
  return head + tail > 0 && differing(a) <= STEP_CHARS && differing(b) <= STEP_CHARS;
}
