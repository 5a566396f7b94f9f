/** Where a cluster is, and how an entry of a table says it. */

/** A place is an offset in the file, or one of these. */
export const Place = {
  /** Nothing is stored: the backing file decides, or it reads as zeroes. */
  Hole: -1,
  /** Reads as zeroes, whatever the backing file holds. */
  Zero: -2,
  /** Stored in a form of the format's own: compressed. */
  Packed: -3,
} as const;

/** How a format writes places into its tables. */
export interface EntryCodec {
  readonly bytes: 4 | 8;
  readonly littleEndian: boolean;
  /** The place that an entry means; `high` is 0 where entries have 4 bytes. Throws a `BlockError` where it can mean none. */
  decode(low: number, high: number): number;
  /** The entry for an offset in the file, or for `Place.Zero` where the format has it; at most 2^53 - 1. */
  encode(place: number): number;
}
