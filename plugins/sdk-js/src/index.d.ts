// The types of `replay-plugin`. What each member does is said in README.md and beside its source.

/** What a field is. */
export type Kind =
  | "text" | "input" | "attribute" | "markup" | "url" | "style" | "code" | "html" | "console" | "network" | "custom"
  | "canvas" | "pixels" | "other";

/** In the order of their bits in the interface. */
export const KINDS: readonly Kind[];

/** What takes the place of each character; white space stays. */
export type Mask = "*" | "•" | "█" | "x" | "0";

/** What a plugin says of itself. Any other key is refused. */
export interface Manifest {
  /** Of `A-Z a-z 0-9 . _ -`, at most 64; `version`, reasons and codes likewise. */
  name: string;
  version: string;
  /** The kinds of fields that it wants. */
  kinds: readonly Kind[];
  /** Whether a chunk that it could not treat must not be stored. */
  redacts?: boolean;
  /** Whether it asks for `chunk.events()`. */
  needsEvents?: boolean;
  /** Whether it asks for elements, or blocks some. */
  needsElements?: boolean;
  /** What `chunk.drop` may name. */
  dropReasons?: readonly string[];
  /** What a `PluginError` may name. */
  errorCodes?: readonly string[];
  /** The JSON Schema of its config. */
  configSchema?: object | string;
}

/** What `configure` returns. */
export interface Plugin {
  manifest: Manifest;
  /** Sees a batch once, and is done when it returns. */
  process(batch: Batch): void;
}

/** The default export of a plugin's module. */
export type Configure = (config: unknown) => Plugin;

/** A global regular expression, or a function that tells each hit. */
export type Pattern = RegExp | ((text: string, found: (start: number, end: number, rule?: unknown) => void) => void);

/** What is known of a chunk. */
export interface ChunkInfo {
  projectId: string;
  sessionId: string;
  /** Restarts at 0 on every page load of a visit. */
  chunkIndex: number;
  /** Counts the page loads that the batch saw: node ids are a page's. */
  page: number;
  /** Unix milliseconds by the browser's clock. */
  timestampStart: bigint;
  timestampEnd: bigint;
  eventCount: number;
  hasFullSnapshot: boolean;
  pageUrl: string | undefined;
}

export interface FocusChange {
  event: number;
  node: number;
  focused: boolean;
}

export interface Move {
  event: number;
  position: number;
  atMs: number;
}

export class Batch {
  private constructor();
  chunks: Chunk[];
  log(level: "debug" | "info" | "warn" | "error", message: string): void;
  fields(kind?: Kind): Generator<Field>;
  /** For the SDK. */
  verdicts(): object[];
}

export class Chunk {
  private constructor();
  readonly info: ChunkInfo;
  readonly length: number;
  readonly text: string;
  readonly focus: FocusChange[];
  /** The text of all fields as the host handed it over, the index of eight numbers a field, and the names in it. */
  readonly bytes: Uint8Array;
  readonly index: Uint32Array;
  readonly names: string[];
  find(pattern: Pattern): Hit[];
  field(row: number): Field;
  fields(kind?: Kind): Generator<Field>;
  element(node: number): Element | undefined;
  around(node: number): Generator<Element>;
  moves(): Move[];
  nodes(): number[];
  events(): Uint8Array;
  drop(reason: string): void;
  removeEvent(event: number): void;
  dropMove(move: Move): void;
  blockNode(node: number): boolean;
  replaceEvents(events: Uint8Array): void;
  /** For the SDK. */
  readonly joined: object;
  rowsOf(kind: Kind, nodes: Set<number>): number[];
  rowAt(byte: number): number;
}

export class Field {
  private constructor();
  readonly chunk: Chunk;
  readonly row: number;
  readonly kind: Kind;
  readonly text: string;
  readonly name: string;
  readonly event: number;
  readonly node: number;
  readonly page: number;
  readonly element: Element | undefined;
  readonly start: number;
  readonly end: number;
  mask(start?: number, end?: number, mask?: Mask): void;
  replace(start: number, end: number, text: string): void;
  clear(): void;
  block(): void;
  dropHeader(): void;
  dropRequest(): void;
}

export class Hit {
  private constructor();
  readonly field: Field;
  readonly start: number;
  readonly end: number;
  readonly rule: unknown;
  readonly text: string;
  readonly isWhole: boolean;
  mask(mask?: Mask): void;
  replace(text: string): void;
}

export class Element {
  private constructor();
  readonly node: number;
  readonly parent: number;
  readonly tag: string;
  readonly attributes: [name: string, value: string][];
  attribute(name: string): string | undefined;
  values(name: string): string[];
}

export class Series {
  constructor(batch: Batch);
  mark(field: Field): void;
  mask(mask?: Mask): void;
}

export class ConfigError extends Error {}

export class PluginError extends Error {
  constructor(code: string);
  readonly code: string;
}

export function optionsOf<T extends object>(config: unknown, defaults: T): T;
export function escaped(text: string): string;
/** A text with one layer of escapes taken off, `undefined` if there is none. */
export function fold(text: string): { readonly text: string } | undefined;
