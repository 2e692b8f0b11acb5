// The types of `replay-plugin/testing`.

import type { ChunkInfo, Configure, Kind, Mask } from "./index.js";

/** Attributes of an element; one that changed has several values, the latest last. */
export type Attributes =
  | Record<string, string | readonly string[]>
  | readonly (readonly [name: string, value: string])[];

export class MemoryChunk {
  static recorded(ndjson: string): MemoryChunk[];
  info(info: Partial<ChunkInfo>): this;
  page(page: number): this;
  field(kind: Kind, node: number, name: string, text: string): this;
  focus(node: number, focused: boolean): this;
  moves(...atMs: number[]): this;
  element(node: number, tag: string, parent?: number, attributes?: Attributes): this;
  /** For the SDK. */
  source(kinds: readonly number[]): object;
  after(verdict: Verdict, kinds: readonly number[]): string[] | undefined;
}

/** The fields' texts of each chunk afterwards, `undefined` for one that was dropped. */
export function runInMemory(configure: Configure, config: unknown, ...chunks: MemoryChunk[]): (string[] | undefined)[];

/** What a plugin answers to each chunk. */
export function verdictsInMemory(configure: Configure, config: unknown, ...chunks: MemoryChunk[]): Verdict[];

export type Verdict =
  | { tag: "keep" }
  | { tag: "drop"; val: number }
  | { tag: "change"; val: Changes }
  | { tag: "replace"; val: Uint8Array };

export interface Changes {
  edits: { field: number; start: number; end: number; replacement: Replacement }[];
  removeEvents: Uint32Array;
  blockNodes: Uint32Array;
  dropItems: Item[];
}

export type Replacement = { tag: "mask"; val: Mask } | { tag: "text"; val: string } | { tag: "blank" };

export type Item =
  | { tag: "position"; val: [event: number, position: number] }
  | { tag: "request" | "header"; val: number };
