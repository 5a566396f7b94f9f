/** What the children answered to one request, and which answer the most of them gave. */
import { errnoOf, sameBytes, sameInTurns, type Edge, type Failures } from '@blk/core-graph';

/** The failure that most children had; of as many, that of the last. Undefined: none failed. */
export function votedError(failures: Failures): Error | undefined {
  const votes = new Map<string, { count: number; readonly error: Error }>();
  for (const error of [...failures].reverse()) {
    if (error === undefined) continue;
    const code = errnoOf(error);
    const same = votes.get(code);
    if (same === undefined) votes.set(code, { count: 1, error });
    else same.count++;
  }
  let most = 0;
  let winner: Error | undefined;
  for (const { count, error } of votes.values()) {
    if (count > most) [most, winner] = [count, error];
  }
  return winner;
}

/** The size that most children have, which are the same but for one that was cut behind our back; of as many, that of the first. */
export function votedSize([first, ...others]: readonly Edge[]): number {
  const { size } = first;
  if (others.every((other) => other.size === size)) return size;
  const sizes = [first, ...others].map((child) => child.size);
  const votes = (wanted: number): number => sizes.filter((each) => each === wanted).length;
  return sizes.reduce((most, each) => (votes(each) > votes(most) ? each : most));
}

/** What one child gave to a read. */
export interface Content {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly start: number;
}

/** A content, and the children that have it, by index. */
export interface Version {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly indexes: number[];
}

/** Whether all are the same: as good as always, and then nobody has to be asked for a vote. */
export function unanimous([first, ...others]: readonly Content[], length: number): boolean {
  return others.every(({ bytes, start }) => sameBytes(first.bytes, first.start, bytes, start, length));
}

/** The same for a request that waited: others have their turn in between. */
export async function unanimousInTurns([first, ...others]: readonly Content[], length: number): Promise<boolean> {
  for (const { bytes, start } of others) if (!(await sameInTurns(first.bytes, first.start, bytes, start, length))) return false;
  return true;
}

/** The different contents, those of the most children first; of as many, the one that came up last. */
export function versionsOf(contents: readonly Content[], length: number): Version[] {
  const versions: Version[] = [];
  for (const { index, bytes, start } of contents) {
    const same = versions.find((version) => sameBytes(version.bytes, version.start, bytes, start, length));
    if (same === undefined) versions.push({ bytes, start, indexes: [index] });
    else same.indexes.push(index);
  }
  return versions.reverse().sort((a, b) => b.indexes.length - a.indexes.length);
}
