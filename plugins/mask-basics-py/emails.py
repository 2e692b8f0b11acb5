"""E-mail addresses: around an ``@``, which is looked for natively."""

import re

# Characters of an address before and after its `@` at most.
MAX_CHARS = 254

# Letters and digits of any script, and `.`, `_`, `+`, `-`, `'`; not at the beginning.
LOCAL = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff][0-9A-Za-z\u0080-\U0010ffff._+'-]*\Z")
_LABEL = r"[0-9A-Za-z\u0080-\U0010ffff-]"
DOMAIN = re.compile(rf"(?:{_LABEL}+\.)+[A-Za-z\u0080-\U0010ffff]{_LABEL}*[0-9A-Za-z\u0080-\U0010ffff]")
# `icon@2x.png` is a picture's name.
PICTURE = re.compile(r"[0-9]x\.(?:png|jpe?g|webp|gif|avif|svg)", re.IGNORECASE)


def emails(text):
    at = text.find("@")
    while at >= 0:
        domain = DOMAIN.match(text, at + 1, at + 1 + MAX_CHARS)
        if domain and not PICTURE.fullmatch(domain.group()):
            local = LOCAL.search(text[max(0, at - MAX_CHARS) : at])
            if local:
                yield at - len(local.group()), domain.end()
        at = text.find("@", at + 1)
