// Payment cards: 13 to 19 digits of a known issuer whose check digit is right (ISO/IEC 7812).

/** Thirteen digits or more, with single spaces or dashes between them. */
const DIGITS = /(?<![0-9])[0-9](?:[ -]?[0-9]){12,}/g;
const MAX_DIGITS = 19;

export function cards(text, found) {
  for (const { 0: run, index } of text.matchAll(DIGITS)) {
    const groups = Array.from(run.matchAll(/[0-9]+/g), (group) => [group.index, group.index + group[0].length]);
    for (let first = 0; first < groups.length; ) {
      const count = longest(text, run, index, groups.slice(first, first + MAX_DIGITS));
      if (count > 0) found(index + groups[first][0], index + groups[first + count - 1][1]);
      first += Math.max(count, 1);
    }
  }
}

/** How many of the groups, from the first, make a card; 0 for none. */
function longest(text, run, index, groups) {
  const before = text.slice(Math.max(0, index + groups[0][0] - 2), index + groups[0][0]);
  // After a decimal point, or inside a word.
  if (/[0-9]\.$|[0-9A-Za-z_\u0080-\uffff]$/.test(before)) return 0;
  for (let count = groups.length; count > 0; count -= 1) {
    const end = index + groups[count - 1][1];
    if (/^(?:[0-9A-Za-z_\u0080-\uffff]|\.[0-9])/.test(text.slice(end, end + 2))) continue;
    const parts = groups.slice(0, count).map(([from, to]) => run.slice(from, to));
    if (isPlausible(parts) && isCard(parts.join(""))) return count;
  }
  return 0;
}

/** Cards are written as one group, or in groups of three to seven, the last of up to seven. */
function isPlausible(parts) {
  if (parts.length === 1) return true;
  return parts.length <= 6 && parts.every(({ length }, at) => length <= 7 && (length >= 3 || at === parts.length - 1));
}

function isCard(digits) {
  const isLong = digits.length >= 13 && digits.length <= MAX_DIGITS;
  return isLong && hasIssuer(digits) && luhn(digits) && !/^(.)\1*$/.test(digits);
}

/** By their first four digits: from, to, and how long such cards are. */
const ISSUERS = [
  [3000, 3059, 14, 19], [3095, 3095, 14, 19], [3600, 3699, 14, 19], [3800, 3999, 14, 19], [3400, 3499, 15, 15],
  [3700, 3799, 15, 15], [3528, 3589, 16, 19], [4000, 4999, 13, 13], [4000, 4999, 16, 16], [4000, 4999, 19, 19],
  [2200, 2204, 16, 19], [2221, 2720, 16, 19], [5100, 5599, 16, 19], [5000, 5099, 13, 19], [5600, 5899, 13, 19],
  [6000, 6999, 13, 19], [8100, 8171, 16, 19], [9792, 9792, 16, 16],
];

function hasIssuer(digits) {
  const head = Number(digits.slice(0, 4));
  return ISSUERS.some(
    ([from, to, least, most]) => head >= from && head <= to && digits.length >= least && digits.length <= most,
  );
}

/** The check of ISO/IEC 7812-1, annex B. */
function luhn(digits) {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const value = Number(digits[digits.length - 1 - at]) * (at % 2 === 1 ? 2 : 1);
    sum += Math.floor(value / 10) + (value % 10);
  }
  return sum % 10 === 0;
}
