// What a plugin is written with. See README.md; `guest.js` is for the component, `testing.js` for tests.

export { Batch, Chunk, Field, Hit } from "./batch.js";
export { Element } from "./element.js";
export { ConfigError, PluginError, optionsOf } from "./errors.js";
export { KINDS } from "./kinds.js";
export { fold } from "./folding.js";
export { escaped } from "./prefixes.js";
export { Series } from "./series.js";
