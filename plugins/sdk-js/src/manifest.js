// What a plugin says of itself: checked, because what is left out has a default that a misspelled key would get.

import { KINDS, bitsOf } from "./kinds.js";

/** What an exception that the plugin did not mean is reported as. */
export const EXCEPTION = "exception";

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string";
const isFlag = (value) => typeof value === "boolean";
const isTexts = (value) => Array.isArray(value) && value.every(isText);

/** What each key takes. */
const KEYS = {
  name: { takes: "a string", fits: isText },
  version: { takes: "a string", fits: isText },
  kinds: { takes: `an array of ${KINDS.join(", ")}`, fits: isTexts },
  redacts: { takes: "true or false", fits: isFlag },
  needsEvents: { takes: "true or false", fits: isFlag },
  needsElements: { takes: "true or false", fits: isFlag },
  dropReasons: { takes: "an array of strings", fits: isTexts },
  errorCodes: { takes: "an array of strings", fits: isTexts },
  configSchema: { takes: "an object, or a string of JSON", fits: (value) => isObject(value) || isText(value) },
};
const NEEDED = ["name", "version", "kinds"];

/** The manifest as the interface has it. */
export function told(manifest) {
  check(manifest);
  const { configSchema = "", errorCodes = [] } = manifest;
  return {
    name: manifest.name,
    version: manifest.version,
    kinds: bitsOf(manifest.kinds),
    redacts: manifest.redacts ?? false,
    needsEvents: manifest.needsEvents ?? false,
    needsElements: manifest.needsElements ?? false,
    dropReasons: manifest.dropReasons ?? [],
    errorCodes: [...new Set([...errorCodes, EXCEPTION])],
    configSchema: isText(configSchema) ? configSchema : JSON.stringify(configSchema),
  };
}

function check(manifest) {
  if (!isObject(manifest)) throw new TypeError("a plugin is `{ manifest, process }`, and its `manifest` an object");
  for (const [key, value] of Object.entries(manifest)) {
    if (!Object.hasOwn(KEYS, key)) {
      throw new TypeError(`the manifest has no key \`${key}\`; there are ${Object.keys(KEYS).join(", ")}`);
    }
    const { takes, fits } = KEYS[key];
    if (value !== undefined && !fits(value)) throw new TypeError(`the manifest's \`${key}\` must be ${takes}`);
  }
  for (const key of NEEDED) {
    if (manifest[key] === undefined) throw new TypeError(`the manifest lacks \`${key}\`: ${KEYS[key].takes}`);
  }
}
