// The kinds of fields, numbered as in the interface.

/** In the order of their bits in the manifest. */
export const KINDS = [
  "text", "input", "attribute", "markup", "url", "style", "code", "html", "console", "network", "custom",
  "canvas", "pixels", "other",
];

const OTHER = KINDS.indexOf("other");

/** By its number in an index; unknown ones (of a newer host) are `other`. */
export function kindOf(number) {
  return KINDS[number] ?? KINDS[OTHER];
}

export function numberOf(kind) {
  const number = KINDS.indexOf(kind);
  if (number < 0) throw new TypeError(`\`${kind}\` is no kind of field; there are ${KINDS.join(", ")}`);
  return number;
}

/** As the manifest says it: a bit for each kind. */
export function bitsOf(kinds) {
  return kinds.reduce((bits, kind) => bits | (1 << numberOf(kind)), 0);
}
