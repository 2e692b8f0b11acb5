// What a plugin may fail with, and the check of its config that every plugin needs.

/** A config that does not do. The message is shown to the operator. */
export class ConfigError extends Error {}

/** A call of `process` that fails with one of the manifest's `errorCodes`. */
export class PluginError extends Error {
  /** @param {string} code one of the manifest's `errorCodes` */
  constructor(code) {
    super(code);
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
