// A plugin as the exports of a component. `plugin build` writes the module that calls this.

import { Batch } from "./batch.js";
import { PluginError } from "./errors.js";
import { bitsOf } from "./kinds.js";

/** What an exception that the plugin did not mean is reported as. */
export const EXCEPTION = "exception";

/**
 * The component's `configure` and `process`. Only a thrown string is an error of the interface's; anything else
 * would be a trap, so everything is caught here. What an exception says stays here: it may quote payload.
 */
export function guest(configure, log) {
  let plugin;
  return {
    configure(config) {
      try {
        const made = configure(JSON.parse(config));
        const manifest = told(made.manifest);
        plugin = { made, manifest };
        return manifest;
      } catch (error) {
        throw String(error?.message ?? error);
      }
    },
    process(sources) {
      try {
        return run(plugin.made, plugin.manifest, sources, log);
      } catch (error) {
        throw error instanceof PluginError ? error.code : EXCEPTION;
      }
    },
  };
}

/** One call of `process`: the answer for each chunk of the batch, in order. */
export function run(plugin, manifest, sources, log) {
  const batch = new Batch(sources, manifest, log);
  plugin.process(batch);
  return batch.verdicts();
}

/** The manifest as the interface has it. */
export function told(manifest) {
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
    configSchema: typeof configSchema === "string" ? configSchema : JSON.stringify(configSchema),
  };
}
