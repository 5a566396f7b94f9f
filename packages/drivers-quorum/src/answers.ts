/** What the children answer to one request, and which answer the most of them gave. */
import { errnoOf, sameBytes, type Completion, type Edge } from '@blk/core-graph';

export interface Answer {
  readonly child: Edge;
  /** Absent: it was done. */
  readonly error?: Error;
}

/** Sends a request to all children at the same time, and waits for the last of them. */
export function askAll(children: readonly Edge[], request: (child: Edge, index: number) => Completion): Promise<Answer[]> {
  return Promise.all(children.map((child, index) => ask(child, index, request)));
}

export async function ask(child: Edge, index: number, request: (child: Edge, index: number) => Completion): Promise<Answer> {
  try {
    await request(child, index);
    return { child };
  } catch (error) {
    return { child, error: error instanceof Error ? error : new Error(String(error), { cause: error }) };
  }
}

/** The failure that most children had; of as many, that of the last. Undefined: none failed. */
export function votedError(answers: readonly Answer[]): Error | undefined {
  const votes = new Map<string, { count: number; readonly error: Error }>();
  for (const { error } of [...answers].reverse()) {
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

/** A content, and the children that have it, by index. */
export interface Version {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly indexes: number[];
}

/** The different contents, those of the most children first; of as many, the one that came up last. */
export function versionsOf(contents: readonly { readonly index: number; readonly bytes: Uint8Array; readonly start: number }[], length: number): Version[] {
  const versions: Version[] = [];
  for (const { index, bytes, start } of contents) {
    const same = versions.find((version) => sameBytes(version.bytes, version.start, bytes, start, length));
    if (same === undefined) versions.push({ bytes, start, indexes: [index] });
    else same.indexes.push(index);
  }
  return versions.reverse().sort((a, b) => b.indexes.length - a.indexes.length);
}
