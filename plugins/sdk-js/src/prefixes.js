// Prefixes of what was typed, wherever they stand.

/** Characters that a prefix has at least: shorter ones are everybody's. */
const PREFIX_CHARS = 4;
/** Characters from which a prefix counts as a word of a sentence too, not as a value only. */
const WORD_CHARS = 8;

/** About `[\p{L}\p{N}]`, for which the component's interpreter has no tables. */
const LETTER_OR_DIGIT = /[0-9A-Za-z\u00aa\u00b5\u00ba\u00c0-\u1fff\u2c00-\u2dff\u3005-\ufdff\uff10-\uffdc]/;

/** Typed values, by how they begin. Case does not count. */
export class Prefixes {
  #values = new Set();

  /** A typed value, as it reads. */
  add(value) {
    const trimmed = value.trim();
    if (Array.from(trimmed).length >= PREFIX_CHARS) this.#values.add(trimmed.toLowerCase());
  }

  get isEmpty() {
    return this.#values.size === 0;
  }

  /** Every prefix in a chunk; its rule says whether it stands as a value, and whether it is a whole typed value. */
  find(chunk) {
    const byHead = this.#byHead();
    const heads = [...byHead.keys()].map(escaped);
    const search = (text, found) => {
      const lower = lowerCase(text);
      for (const { index } of lower.matchAll(new RegExp(heads.join("|"), "gu"))) {
        const [length, isComplete] = longest(byHead, lower, index);
        const end = index + lower.slice(index, index + length).trimEnd().length;
        if (Array.from(lower.slice(index, end)).length < PREFIX_CHARS) continue;
        found(index, end, placeOf(text, index, end, isComplete));
      }
    };
    return chunk.find(search);
  }

  /** Values by their first characters; those that others begin with are found as their prefixes. */
  #byHead() {
    const sorted = [...this.#values].sort();
    const kept = sorted.filter((value, at) => !sorted[at + 1]?.startsWith(value));
    const byHead = new Map();
    for (const value of kept) {
      const head = Array.from(value).slice(0, PREFIX_CHARS).join("");
      byHead.set(head, [...(byHead.get(head) ?? []), value]);
    }
    return byHead;
  }
}

/** A text as a regular expression that finds it. */
export function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Unit for unit: what takes more or fewer in lower case stays as it is. */
function lowerCase(text) {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return Array.from(text, (char) => (char.toLowerCase().length === char.length ? char.toLowerCase() : char)).join("");
}

/** The longest prefix of a value at `at`: its length, and whether it is all of it. */
function longest(byHead, text, at) {
  const head = Array.from(text.slice(at, at + 2 * PREFIX_CHARS)).slice(0, PREFIX_CHARS).join("");
  let best = [0, false];
  for (const value of byHead.get(head) ?? []) {
    let length = 0;
    while (length < value.length && text[at + length] === value[length]) length += 1;
    if (length > best[0]) best = [length, length === value.length];
  }
  return best;
}

function placeOf(text, start, end, isComplete) {
  const [before, after] = [text[start - 1], text[end]];
  const isLong = end - start >= WORD_CHARS;
  const ends = (char, marks) => {
    if (char === undefined || char === "\n") return true;
    return /\s/.test(char) ? isLong || isComplete : marks.includes(char);
  };
  // Who types a space types on: `"Ann "` is a value as `"Ann"` is.
  const isSpace = (char) => char !== undefined && /\s/.test(char);
  const isQuoted = isSpace(after) && ends(text.slice(end, end + 99).trimStart()[0], "\"'`&\\");
  const isValue = ends(before, "=\"'`:,/[(>{|;&?#\\") && (isQuoted || ends(after, "&\"'`#,;/]})<|+?\\:"));
  const isWord = (char) => char === undefined || !LETTER_OR_DIGIT.test(char);
  return { isValue, isComplete: isComplete && isWord(before) && isWord(after) };
}
