// A text as it reads, with a map back to how it is written: full-width digits and letters become ASCII,
// unusual spaces and dashes ` ` and `-`, what is not seen is left out, and one layer of `%40`, `&#64;`,
// `\u0040` and `q=a+b` is decoded.

/** Layers that are taken off at most: JSON in JSON in a string, an address in an address. */
const LAYERS = 3;

/** What reads like another character, one for one. */
const ALIKE =
  "\\u00a0\\u0660-\\u0669\\u06f0-\\u06f9\\u2000-\\u200a\\u2010-\\u2015\\u202f\\u205f\\u2212\\u3000\\u3002\\ufe63\\ufe6b" +
  "\\uff01-\\uff5e";
/** What is not seen. */
const UNSEEN = "\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\ufeff";
const ESCAPES =
  "%[0-7][0-9A-Fa-f]|%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){1,3}|&#[xX][0-9A-Fa-f]{1,6};?|&#[0-9]{1,7};?|&[A-Za-z]{2,7};|" +
  "\\\\u[dD][89ABab][0-9A-Fa-f]{2}\\\\u[dD][C-Fc-f][0-9A-Fa-f]{2}|\\\\u[0-9A-Fa-f]{4}|\\\\x[0-9A-Fa-f]{2}|" +
  "\\\\[\"\\\\/'bfnrt]";
const PLUS = "(?<=[0-9A-Za-z%.()\\u0080-\\uffff-])\\+(?=[0-9A-Za-z%.()\\u0080-\\uffff-])";

const FOLDED = new RegExp(`${ESCAPES}|${PLUS}|[${ALIKE}${UNSEEN}]`, "g");

/** Finds where something may begin whose folding moves what follows. */
export const MAY_MOVE = new RegExp(
  `%[0-9A-Fa-f]{2}|&[#A-Za-z]|\\\\[ux"\\\\/'bfnrt]|[${UNSEEN}]|(?<=[0-9])\\+(?=[0-9])`,
  "g",
);

const IS_ALIKE = new RegExp(`[${ALIKE}]`, "g");

/** The text with what reads like another character written as that: unit for unit, so offsets are the same. */
export function alike(text) {
  return text.replace(IS_ALIKE, sign);
}

const ENTITIES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", shy: "\u00ad", commat: "@", period: ".",
  plus: "+", hyphen: "\u2010", dash: "\u2010", ndash: "\u2013", lowbar: "_", colon: ":", equals: "=", sol: "/",
  lpar: "(", rpar: ")", NewLine: "\n",
};
const CONTROLS = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };

/** A text with one layer taken off, or `undefined` if there is nothing to fold. */
export function fold(source) {
  let [text, copied, isForm] = ["", 0, undefined];
  const runs = [];
  const copy = (end) => {
    if (end > copied) runs.push({ at: text.length, from: copied, to: end, isCopied: true });
    text += source.slice(copied, end);
  };
  for (const match of source.matchAll(FOLDED)) {
    if (match[0] === "+") {
      // Of a form's value, so what stands before the first `=` is none.
      isForm ??= source.indexOf("=");
      if (isForm < 0 || isForm > match.index) continue;
    }
    const [read, length] = decode(match[0]);
    if (read === undefined) continue;
    copy(match.index);
    copied = match.index + length;
    if (read !== "") runs.push({ at: text.length, from: match.index, to: copied, isCopied: false });
    text += read;
  }
  if (runs.length === 0 && copied === 0) return undefined;
  copy(source.length);
  return new Folded(text, runs);
}

/** What an escape or a sign reads as, and the units that it takes; `undefined` for one that is none. */
function decode(written) {
  const [char, length] = unescaped(written);
  return [char === undefined ? undefined : sign(char), length];
}

function unescaped(written) {
  switch (written[0]) {
    case "%":
      return percent(written);
    case "&":
      return [entity(written), written.length];
    case "\\":
      return [escape(written), written.length];
    case "+":
      return [" ", 1];
    default:
      return [written, written.length];
  }
}

/** `%40`, or up to four such bytes that make one character. */
function percent(written) {
  const first = parseInt(written.slice(1, 3), 16);
  const bytes = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  try {
    return [decodeURIComponent(written.slice(0, 3 * bytes)), 3 * bytes];
  } catch {
    return [undefined, written.length];
  }
}

function entity(written) {
  if (written[1] !== "#") {
    const name = written.slice(1, -1);
    return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
  }
  const isHex = written[2] === "x" || written[2] === "X";
  const code = parseInt(written.slice(isHex ? 3 : 2), isHex ? 16 : 10);
  const isScalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isScalar ? String.fromCodePoint(code) : undefined;
}

function escape(written) {
  const kind = written[1];
  if (kind !== "u" && kind !== "x") return CONTROLS[kind] ?? kind;
  const units = written.split(/\\[ux]/).slice(1).map((hex) => parseInt(hex, 16));
  const text = String.fromCharCode(...units);
  return /[\ud800-\udfff]/u.test(text) ? undefined : text;
}

/** What a character reads like, if that is another. */
function sign(char) {
  const code = char.codePointAt(0);
  if (code < 0xa0) return char;
  if (code === 0xa0 || (code >= 0x2000 && code <= 0x200a) || code === 0x202f || code === 0x205f || code === 0x3000) {
    return " ";
  }
  if (code === 0xad || (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e)) return "";
  if ((code >= 0x2060 && code <= 0x2064) || code === 0xfeff) return "";
  if ((code >= 0x2010 && code <= 0x2015) || code === 0x2212 || code === 0xfe63) return "-";
  if (code === 0xfe6b) return "@";
  if (code === 0x3002) return ".";
  if (code >= 0x660 && code <= 0x669) return String(code - 0x660);
  if (code >= 0x6f0 && code <= 0x6f9) return String(code - 0x6f0);
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  return char;
}

/** A text as it reads. Offsets are UTF-16 units. */
class Folded {
  /** Runs lie end to end in the text; in the source, what is not seen may lie between two. */
  constructor(text, runs) {
    this.text = text;
    this.runs = runs;
  }

  /** The range of the source that a range of the text stands for, escapes whole. */
  toSource(start, end) {
    const [first, last] = [this.#runAt(start), this.#runAt(end - 1)];
    if (!first || !last || end <= start) return [0, 0];
    const from = first.isCopied ? first.from + (start - first.at) : first.from;
    return [from, last.isCopied ? last.from + (end - last.at) : last.to];
  }

  /** A range of the source moved off the escapes that it cuts in two: `\nanna` is no `nanna`. */
  offEscapes(start, end) {
    const moved = (at) => {
      const run = last(this.runs, (run) => run.from < at);
      return run && !run.isCopied && at < run.to ? run.to : at;
    };
    const from = moved(start);
    return [from, Math.max(from, moved(end))];
  }

  #runAt(at) {
    return last(this.runs, (run) => run.at <= at);
  }
}

/** The last of `items` for which `holds`, which holds for those at the beginning and no other. */
function last(items, holds) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle])) low = middle + 1;
    else high = middle;
  }
  return items[low - 1];
}

/** One text and its folded views, one inside the other. View 0 is the text itself. */
export class Views {
  constructor(source) {
    this.source = source;
    this.layers = [];
    for (let text = source; this.layers.length < LAYERS; ) {
      const folded = fold(text);
      if (!folded) break;
      this.layers.push(folded);
      text = folded.text;
    }
  }

  /** The text as it reads, all layers off. */
  get innermost() {
    return this.layers.at(-1)?.text ?? this.source;
  }

  /** The range of the source for a range of view `view`. */
  toSource(view, start, end) {
    let range = this.layers[view]?.offEscapes(start, end) ?? [start, end];
    for (let layer = view - 1; layer >= 0; layer -= 1) range = this.layers[layer].toSource(...range);
    return range;
  }
}
