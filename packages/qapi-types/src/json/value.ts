/** What JSON texts hold here. */

/** A parsed value. Integers beyond 2^53 - 1 that fit into 64 bits are bigints; other numbers are doubles. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject;

/** A parsed object: a plain one whose members, `__proto__` too, are its own. */
export interface JsonObject {
  [name: string]: JsonValue;
}

/** Sizes beyond which a text is refused. */
export interface JsonLimits {
  /** Bytes of one top-level value. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Objects and arrays within each other. Default: 1024. */
  readonly maxDepth?: number;
  /** Words, numbers, strings and signs in one top-level value. Default: 2 Mi. */
  readonly maxTokens?: number;
}
