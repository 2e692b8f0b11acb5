// A plugin as the exports of a component. `plugin build` writes the module that calls this.

import { Batch } from "./batch.js";
import { ConfigError, PluginError, described } from "./errors.js";
import { EXCEPTION, told } from "./manifest.js";

/**
 * The component's `configure` and `process`. Only a thrown string is an error of the interface's; anything else
 * would be a trap, so everything is caught here. What an exception says may quote payload: it is no part of the
 * error, and is logged, which only `plugin test` prints.
 */
export function guest(configure, log) {
  let plugin;
  return {
    configure(config) {
      try {
        const made = configure(JSON.parse(config));
        const manifest = told(made?.manifest);
        plugin = { made, manifest };
        return manifest;
      } catch (error) {
        if (!(error instanceof ConfigError)) log?.("error", described(error));
        throw String(error?.message ?? error);
      }
    },
    process(sources) {
      try {
        return run(plugin.made, plugin.manifest, sources, log);
      } catch (error) {
        if (!isDeclared(error, plugin?.manifest)) log?.("error", described(error));
        throw error instanceof PluginError ? error.code : EXCEPTION;
      }
    },
  };
}

/** Whether it is a code that the manifest announced; the host reports any other as `unknown`. */
function isDeclared(error, manifest) {
  return error instanceof PluginError && manifest.errorCodes.includes(error.code);
}

/** One call of `process`: the answer for each chunk of the batch, in order. */
export function run(plugin, manifest, sources, log) {
  const batch = new Batch(sources, manifest, log);
  const answer = plugin.process(batch);
  // What it would do later, nobody waits for: the chunks would be kept as they are.
  if (typeof answer?.then === "function" || typeof answer?.next === "function") {
    throw new TypeError("`process` is an async function or a generator: it must be done when it returns");
  }
  return batch.verdicts();
}
