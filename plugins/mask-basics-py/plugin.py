"""Masks e-mail addresses and payment cards, however they are spelled, and what was typed on the way there."""

from cards import cards
from emails import emails
from replay_plugin import KINDS, ConfigError, Manifest, Series, options_of

RULES = {"email": emails, "card": cards}
MASKS = ["*", "•", "█", "x", "0"]

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rules": {"type": "array", "items": {"enum": list(RULES)}, "default": list(RULES)},
        "mask": {"enum": MASKS, "default": "*"},
    },
}


class Plugin:
    manifest = Manifest(
        name="mask-basics-py",
        version="1.0.0",
        kinds=[kind for kind in KINDS if kind != "pixels"],
        redacts=True,
        config_schema=SCHEMA,
    )

    def __init__(self, config):
        options = options_of(config, {"rules": list(RULES), "mask": "*"})
        for rule in options["rules"]:
            if rule not in RULES:
                raise ConfigError(f"there is no rule `{rule}`; there are email, card")
        if options["mask"] not in MASKS:
            raise ConfigError("`mask` must be one of `*`, `•`, `█`, `x`, `0`")
        self.rules = [RULES[rule] for rule in options["rules"]]
        self.mask = options["mask"]

    def find(self, text):
        for rule in self.rules:
            yield from rule(text)

    def process(self, batch):
        series = Series(batch)
        for chunk in batch.chunks:
            for hit in chunk.find(self.find):
                hit.mask(self.mask)
                series.mark(hit.field)
        series.mask(self.mask)
