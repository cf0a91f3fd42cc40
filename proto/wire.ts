/**
 * The live wire: every message between a viewer page and the server. docs/wire.md tells it in words, with test vectors.
 */

export * from "./bodies.ts";
export * from "./codec.ts";
export * from "./f64.ts";
export * from "./frame.ts";
export * from "./history.ts";
export * from "./messages.ts";
export * from "./splitter.ts";
