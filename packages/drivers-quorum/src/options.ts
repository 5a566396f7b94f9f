/** Options of quorum, checked. */
import { checkOption } from '@blk/core-graph';
import { quorumError } from './errors.js';

/** As the graph hands them over. */
export interface QuorumOptions {
  readonly children?: unknown;
  readonly 'vote-threshold'?: unknown;
  readonly blkverify?: boolean;
  readonly 'rewrite-corrupted'?: boolean;
  readonly 'read-pattern'?: unknown;
}

export interface Rules {
  /** Copies that have to agree. */
  readonly threshold: number;
  /** Two copies that must never differ. */
  readonly blkverify: boolean;
  /** Copies that lost a vote get the content of the winner. */
  readonly rewrite: boolean;
  /** Reads ask one copy after the other until one answers. */
  readonly fifo: boolean;
}

/**
 * References of the children by their names, in order. The option is a list, or an object with numbers for names; or what this function gave, as
 * a quorum whose children have changed is opened again. Throws in QEMU's words.
 */
export function parseChildren(value: unknown): ReadonlyMap<string, unknown> {
  if (value instanceof Map) return value as ReadonlyMap<string, unknown>;
  // As in QEMU, what is no list is as good as none.
  if (typeof value !== 'object' || value === null) throw quorumError({ what: 'no-children' });
  const numbered = Object.keys(value).every((key, index) => key === String(index));
  if (!numbered) throw quorumError({ what: 'children-type' });
  const children: unknown[] = Object.values(value);
  if (children.length === 0) throw quorumError({ what: 'no-children' });
  return new Map(children.map((reference, index) => [nameOf(index), isReference(reference) ? reference : undefined]));
}

/** What is none is left to the graph, which says that there is nothing. */
function isReference(value: unknown): boolean {
  return typeof value === 'object' || typeof value === 'string';
}

/** The number that the name of a child ends with. */
export function numberOf(name: string): number {
  return Number(name.slice(PREFIX.length));
}

export function nameOf(number: number): string {
  return `${PREFIX}${number}`;
}

const PREFIX = 'children.';

/** The rest, for so many children. */
export function parseRules(options: QuorumOptions, children: number): Rules {
  const threshold = thresholdOf(options['vote-threshold']);
  if (threshold < 1) throw quorumError({ what: 'threshold-small' });
  if (threshold > children) throw quorumError({ what: 'threshold-large' });
  const { blkverify = false, 'rewrite-corrupted': rewrite = false, 'read-pattern': pattern = 'quorum' } = options;
  if (pattern !== 'quorum' && pattern !== 'fifo') throw quorumError({ what: 'pattern' });
  const fifo = pattern === 'fifo';
  // Where nobody votes, nobody loses a vote.
  if (!fifo && blkverify && (children !== 2 || threshold !== 2)) throw quorumError({ what: 'blkverify' });
  if (!fifo && blkverify && rewrite) throw quorumError({ what: 'rewrite' });
  return { threshold, blkverify: blkverify && !fifo, rewrite: rewrite && !fifo, fifo };
}

function thresholdOf(value: unknown): number {
  if (value === undefined) return 0;
  try {
    return checkOption('vote-threshold', value, 'int') as number;
  } catch {
    throw quorumError({ what: 'threshold-type' });
  }
}
