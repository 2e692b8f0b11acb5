// E-mail addresses: around an `@`, which is looked for natively.

/** Units of an address before and after its `@` at most. */
const MAX_UNITS = 254;

const DOMAIN = /(?:[0-9A-Za-z\u0080-\uffff-]+\.)+[A-Za-z\u0080-\uffff][0-9A-Za-z\u0080-\uffff-]*[0-9A-Za-z\u0080-\uffff]/y;
/** `icon@2x.png` is a picture's name. */
const PICTURE = /^[0-9]x\.(?:png|jpe?g|webp|gif|avif|svg)$/i;

export function emails(text, found) {
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    let start = at;
    while (start > 0 && at - start < MAX_UNITS && isLocal(text.charCodeAt(start - 1))) start -= 1;
    while (start < at && "._+'-".includes(text[start])) start += 1;
    if (start === at) continue;
    DOMAIN.lastIndex = at + 1;
    const domain = DOMAIN.exec(text)?.[0].slice(0, MAX_UNITS);
    if (domain !== undefined && !PICTURE.test(domain)) found(start, at + 1 + domain.length);
  }
}

/** Letters and digits of any script, and `.`, `_`, `+`, `-`, `'`. */
function isLocal(unit) {
  if (unit >= 0x80) return true;
  return (unit >= 48 && unit <= 57) || ((unit | 32) >= 97 && (unit | 32) <= 122) || "._+-'".includes(String.fromCharCode(unit));
}
