// From UTF-16 units, by which JavaScript counts, to UTF-8 bytes, by which the interface does.

const encoder = new TextEncoder();
// A byte order mark at the beginning is a character like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 as a string. */
export function decoded(bytes) {
  return decoder.decode(bytes);
}

/** Bytes that a string takes as UTF-8. Text without lone surrogates only. */
export function byteLength(text) {
  return encoder.encode(text).length;
}

/**
 * Offsets of one text. What lies between two offsets that are asked for is counted natively, once; ask in
 * ascending order.
 */
export class Offsets {
  #text;
  #isAscii;
  #unit = 0;
  #byte = 0;

  /** `bytes`: length of the text in UTF-8, if it is known. */
  constructor(text, bytes = byteLength(text)) {
    this.#text = text;
    this.#isAscii = bytes === text.length;
  }

  /** The byte at which the unit `unit` begins, which is not inside a surrogate pair. */
  toByte(unit) {
    if (this.#isAscii) return unit;
    if (unit >= this.#unit) this.#byte += byteLength(this.#text.slice(this.#unit, unit));
    else this.#byte -= byteLength(this.#text.slice(unit, this.#unit));
    this.#unit = unit;
    return this.#byte;
  }
}

/** A range widened to whole characters: `[start, end]`, inside the text. */
export function whole(text, start, end) {
  let [from, to] = [Math.max(0, Math.min(start, text.length)), Math.max(0, Math.min(end, text.length))];
  if (isInsidePair(text, from)) from -= 1;
  if (isInsidePair(text, to)) to += 1;
  return [from, Math.max(from, to)];
}

function isInsidePair(text, at) {
  const [before, after] = [text.charCodeAt(at - 1), text.charCodeAt(at)];
  return before >= 0xd800 && before < 0xdc00 && after >= 0xdc00 && after < 0xe000;
}
