/**
 * The log, read: entries with changed pages of the file, of which the newest unbroken sequence counts. Its changes were promised, and may not
 * have reached their places.
 */
import type { Edge } from '@blk/core-graph';
import { vhdxError } from './errors.js';
import { crc32c, hasText, PAGE, readId, REGION_TABLE_OFFSETS, u64, viewOf, ZERO_ID } from './format.js';
import type { Header } from './header.js';

export const ENTRY_HEADER = 64;
export const DESCRIPTOR = 32;

/** A page with its new content, or (without one) a range of zeroes. */
export interface LogChange {
  readonly offset: number;
  readonly length: number;
  readonly page?: Uint8Array;
}

/** What has to be done to the file, in order. */
export interface Replay {
  readonly changes: readonly LogChange[];
  /** Bytes that the file has at least. */
  readonly fileSize: number;
}

interface Entry {
  readonly offset: number;
  readonly length: number;
  readonly tail: number;
  readonly sequence: bigint;
  readonly flushedSize: number;
  readonly lastSize: number;
  readonly changes: readonly LogChange[];
}

/** Reads the log and finds what is to be replayed; undefined where it is empty. Throws where it says that it is not, and makes no sense. */
export async function readLog(file: Edge, { logId, logOffset, logLength }: Header, maxBytes: number): Promise<Replay | undefined> {
  if (logId === ZERO_ID) return undefined;
  if (logLength > maxBytes) throw vhdxError({ what: 'log-memory', bytes: logLength, limit: maxBytes });
  if (logOffset + logLength > file.size) throw vhdxError({ what: 'range', part: 'log', offset: logOffset, length: logLength });
  const log = new Uint8Array(logLength);
  await file.read(logOffset, log, 0, logLength);
  const entries = new Map<number, Entry>();
  // Entries do not lie over each other; so looking at twice the log's length is enough for any that is honest.
  let budget = logLength * 2;
  for (let offset = 0; offset < logLength; offset += PAGE) {
    if (!hasText(log, offset, 'loge') || readId(log, offset + 32) !== logId) continue;
    budget -= viewOf(log).getUint32(offset + 8, true);
    if (budget < 0) throw vhdxError({ what: 'log', text: 'The log is corrupt: its entries lie over each other' });
    const entry = parseEntry(log, offset);
    if (entry !== undefined) entries.set(offset, entry);
  }
  const sequence = newestSequence(entries, logLength);
  const head = sequence.at(-1);
  if (head === undefined) throw vhdxError({ what: 'log', text: 'The log is corrupt: it should hold changes, but has no whole sequence of them' });
  if (head.flushedSize > file.size) throw vhdxError({ what: 'truncated', size: head.flushedSize, fileSize: file.size });
  const changes = sequence.flatMap((entry) => entry.changes);
  for (const { offset, length } of changes) {
    // Neither is ever changed by way of the log, and without them nothing can be read any more.
    if (offset < REGION_TABLE_OFFSETS[0] || (offset < logOffset + logLength && offset + length > logOffset)) {
      throw vhdxError({ what: 'log', text: `The log is corrupt: it changes ${length} bytes at ${offset}, over the headers or itself` });
    }
    if (offset + length > Math.max(file.size, head.lastSize)) throw vhdxError({ what: 'log', text: `The log is corrupt: it changes ${length} bytes at ${offset}, beyond the end` });
  }
  return { changes, fileSize: Math.max(file.size, head.lastSize) };
}

/** The entry at `offset` of the ring, or undefined where it is not whole. */
function parseEntry(log: Uint8Array, offset: number): Entry | undefined {
  const length = viewOf(log).getUint32(offset + 8, true);
  if (length % PAGE !== 0 || length === 0 || length > log.length) return undefined;
  const bytes = new Uint8Array(length);
  const first = Math.min(length, log.length - offset);
  bytes.set(log.subarray(offset, offset + first));
  bytes.set(log.subarray(0, length - first), first);
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== crc32c(bytes, 4)) return undefined;
  const changes = parseChanges(bytes);
  const [flushedSize, lastSize] = [u64(view, 48), u64(view, 56)];
  if (changes === undefined || !Number.isSafeInteger(flushedSize) || !Number.isSafeInteger(lastSize)) return undefined;
  return { offset, length, tail: view.getUint32(12, true), sequence: view.getBigUint64(16, true), flushedSize, lastSize, changes };
}

function parseChanges(bytes: Uint8Array): LogChange[] | undefined {
  const view = viewOf(bytes);
  const sequence = view.getBigUint64(16, true);
  const count = view.getUint32(24, true);
  let page = Math.ceil((ENTRY_HEADER + count * DESCRIPTOR) / PAGE) * PAGE;
  if (page > bytes.length || sequence === 0n) return undefined;
  const changes: LogChange[] = [];
  for (let at = ENTRY_HEADER; at < ENTRY_HEADER + count * DESCRIPTOR; at += DESCRIPTOR) {
    const offset = u64(view, at + 16);
    if (view.getBigUint64(at + 24, true) !== sequence || offset % PAGE !== 0 || !Number.isSafeInteger(offset)) return undefined;
    if (hasText(bytes, at, 'zero')) {
      const length = u64(view, at + 8);
      if (length % PAGE !== 0 || !Number.isSafeInteger(offset + length)) return undefined;
      changes.push({ offset, length });
    } else if (hasText(bytes, at, 'desc') && page + PAGE <= bytes.length && hasText(bytes, page, 'data')) {
      const written = (BigInt(view.getUint32(page + 4, true)) << 32n) | BigInt(view.getUint32(page + 4092, true));
      if (written !== sequence) return undefined;
      // The ends of the page made room for signature and sequence; they are in the descriptor.
      const content = bytes.slice(page, page + PAGE);
      content.set(bytes.subarray(at + 8, at + 16), 0);
      content.set(bytes.subarray(at + 4, at + 8), PAGE - 4);
      changes.push({ offset, length: PAGE, page: content });
      page += PAGE;
    } else return undefined;
  }
  return changes;
}

/** From the tail that the newest entry names up to that entry, each following the one before. */
function newestSequence(entries: ReadonlyMap<number, Entry>, logLength: number): readonly Entry[] {
  const newestFirst = [...entries.values()].sort((a, b) => (a.sequence > b.sequence ? -1 : a.sequence < b.sequence ? 1 : 0));
  let steps = entries.size * 4;
  for (const head of newestFirst) {
    const sequence: Entry[] = [];
    let at: Entry | undefined = entries.get(head.tail);
    while (at !== undefined && steps-- > 0) {
      sequence.push(at);
      if (at === head) return sequence;
      const next = entries.get((at.offset + at.length) % logLength);
      at = next?.sequence === at.sequence + 1n && next.sequence <= head.sequence ? next : undefined;
    }
  }
  return [];
}
