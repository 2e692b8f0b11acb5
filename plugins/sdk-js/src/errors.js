// What a plugin may fail with, and the check of its config that every plugin needs.

import { decoded } from "./offsets.js";

const encoder = new TextEncoder();

/** A config that does not do. The message is shown to the operator. */
export class ConfigError extends Error {
  name = "ConfigError";
}

/** A call of `process` that fails with one of the manifest's `errorCodes`. */
export class PluginError extends Error {
  /** @param {string} code one of the manifest's `errorCodes` */
  constructor(code) {
    super(code);
    this.name = "PluginError";
    this.code = code;
  }
}

/**
 * A plugin's config over its defaults. No config at all is `{}`; a key that has no default, or a value of
 * another type than the default's, is a mistake that the operator is told.
 */
export function optionsOf(config, defaults) {
  const given = config ?? {};
  if (typeof given !== "object" || Array.isArray(given)) throw new ConfigError("the config is not an object");
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      throw new ConfigError(`there is no setting \`${key}\`; there are ${Object.keys(defaults).join(", ")}`);
    }
    if (typeOf(value) !== typeOf(defaults[key])) {
      throw new ConfigError(`\`${key}\` must be of type ${typeOf(defaults[key])}`);
    }
  }
  return { ...defaults, ...given };
}

function typeOf(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Bytes that are logged of an exception, and of what it says. */
const DESCRIBED_BYTES = 2048;
const SAID_BYTES = 1024;

/** What an exception says and where it comes from, bounded. For the plugin's author: it may quote payload. */
export function described(error) {
  try {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : `${String(error)} was thrown`;
    const stack = String(error?.stack ?? "");
    // Some engines begin it with what was said.
    const trace = stack.startsWith(said) ? stack.slice(said.length) : `\n${stack}`;
    return bounded(bounded(said, SAID_BYTES) + trace.trimEnd(), DESCRIBED_BYTES);
  } catch {
    return "an exception that cannot be read";
  }
}

function bounded(text, bytes) {
  const part = encoder.encode(text.slice(0, bytes));
  // What was cut in half is left out.
  return decoded(part.subarray(0, bytes)).replace(/\ufffd+$/, "");
}
