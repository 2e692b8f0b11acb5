// Masks e-mail addresses and payment cards, however they are spelled, and what was typed on the way there.

import { ConfigError, KINDS, Series, optionsOf } from "replay-plugin";

import { cards } from "./cards.js";
import { emails } from "./emails.js";

const RULES = { email: emails, card: cards };
const MASKS = ["*", "•", "█", "x", "0"];

export default function configure(config) {
  const { rules, mask } = optionsOf(config, { rules: Object.keys(RULES), mask: "*" });
  const unknown = rules.find((rule) => !Object.hasOwn(RULES, rule));
  if (unknown !== undefined) throw new ConfigError(`there is no rule \`${unknown}\`; there are email, card`);
  if (!MASKS.includes(mask)) throw new ConfigError("`mask` must be one of `*`, `•`, `█`, `x`, `0`");
  const find = (text, found) => rules.forEach((rule) => RULES[rule](text, found));
  return {
    manifest: {
      name: "mask-basics-js",
      version: "1.0.0",
      kinds: KINDS.filter((kind) => kind !== "pixels"),
      redacts: true,
      configSchema: {
        type: "object",
        additionalProperties: false,
        properties: {
          rules: { type: "array", items: { enum: Object.keys(RULES) }, default: Object.keys(RULES) },
          mask: { enum: MASKS, default: "*" },
        },
      },
    },
    process(batch) {
      const series = new Series(batch);
      for (const chunk of batch.chunks) {
        for (const hit of chunk.find(find)) {
          hit.mask(mask);
          series.mark(hit.field);
        }
      }
      series.mask(mask);
    },
  };
}
