/** The snapshot table as a check sees it: read with its defects, told, and written anew where they can be repaired. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';
import { MAX_L1_BYTES, MAX_SNAPSHOTS, putU64, u64, viewOf } from '../format.js';
import { text } from '../extensions.js';
import { hexWord, type CheckRun } from './run.js';
import { countL1 } from './tables.js';

const FIXED_BYTES = 40;
/** Extra data that version 3 asks for: the size of the state in 64 bits, and the size of the disk. */
const NEEDED_EXTRA = 16;
const MAX_EXTRA = 1024;
const MAX_TABLE_BYTES = 64 * 1024 * 1024;

const WINDOW_BYTES = 65536;
const MAX_TOLD_NAME = 256;

interface Entry {
  /** All of it, as it is to be kept. */
  readonly bytes: Uint8Array;
  readonly l1High: number;
  readonly l1Low: number;
  readonly l1Entries: number;
}

export interface CheckedSnapshots {
  readonly entries: readonly Entry[];
  /** Bytes of the table on disk, as far as it was understood. */
  readonly length: number;
  /** The table has to be written anew. */
  readonly changed: boolean;
  /** Clusters that were counted for the table. */
  readonly clusters: number[];
  /** Clusters of the file that are the table's, or may be, where it reaches beyond the end. */
  doubtful: readonly number[];
}

/** Reads the table and judges it. Throws where that can't be done without leaving something out, unless everything is repaired. */
export async function readSnapshots(run: CheckRun): Promise<CheckedSnapshots> {
  const { snapshotsOffset, snapshotCount } = run.header.current;
  const { clusterSize, version } = run.geometry;
  let count = snapshotCount;
  let changed = false;
  if (snapshotsOffset % clusterSize !== 0 || snapshotsOffset >= 2 ** 63) {
    if (count > 0 || !run.fixErrors) throw refuse('invalid-argument', 'ERROR snapshot table offset invalid');
    run.repaired('snapshot table offset of an image without snapshots');
    await run.header.update({ snapshotsOffset: 0 });
  }
  if (count > MAX_SNAPSHOTS) {
    const excess = count - MAX_SNAPSHOTS;
    if (!run.fixErrors) {
      throw refuse('too-large', `ERROR snapshot table too large\nYou can force-remove all ${excess} overhanging snapshots with qemu-img check -r all`);
    }
    run.say(`Discarding ${excess} overhanging snapshots`);
    run.result.corruptionsFixed += excess;
    count = MAX_SNAPSHOTS;
    changed = true;
  }
  const entries: Entry[] = [];
  const window = new Window(run);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { bytes, extra, length } = await readEntry(window, snapshotsOffset + at);
    if (extra > MAX_EXTRA) {
      if (!run.fixErrors) {
        throw refuse(
          'too-large',
          `ERROR failed to read the snapshot table: Too much extra metadata in snapshot table entry ${index}\n` +
            'You can force-remove this extra metadata with qemu-img check -r all',
        );
      }
      run.say(`Discarding too much extra metadata in snapshot table entry ${index} (${extra} > ${MAX_EXTRA})`);
      run.result.corruptionsFixed++;
      changed = true;
    }
    const inside = snapshotsOffset + at < run.file.size;
    if (run.fixErrors && snapshotsOffset + at + length > run.file.size && (inside || version === 2)) {
      // Lengths that can't be right: where the next entry begins nobody knows, so this is the last one.
      const excess = count - index - Number(inside);
      if (inside) run.repaired(`snapshot table entry ${index} reaches beyond the end of the file`);
      if (excess > 0) run.say(`Discarding ${excess} overhanging snapshots`);
      run.result.corruptionsFixed += excess;
      const named = shortened(bytes, index);
      if (inside) entries.push(decode(version === 3 && extra < NEEDED_EXTRA ? withExtra(named, run) : named));
      at = Math.max(0, Math.min(at + length, run.file.size - snapshotsOffset));
      changed = true;
      break;
    }
    if (at + length > MAX_TABLE_BYTES || snapshotsOffset + at + length > Number.MAX_SAFE_INTEGER) {
      const excess = count - index;
      if (!run.fixErrors) throw refuse('too-large', 'ERROR failed to read the snapshot table: Snapshot table is too big');
      run.say(`Discarding ${excess} overhanging snapshots (snapshot table is too big)`);
      run.result.corruptionsFixed += excess;
      changed = true;
      break;
    }
    at += Math.ceil(length / 8) * 8;
    const missing = version === 3 && extra < NEEDED_EXTRA;
    if (missing) {
      const sentence = `snapshot table entry ${index} is incomplete`;
      if (run.fixErrors) run.repaired(sentence);
      else run.corrupt(sentence);
      changed ||= run.fixErrors;
    }
    entries.push(decode(missing && run.fixErrors ? withExtra(bytes, run) : bytes));
    // The last one ends without padding.
    if (index === count - 1) at += length - Math.ceil(length / 8) * 8;
  }
  return { entries, length: at, changed, clusters: [], doubtful: [] };
}

/** Counts the L1 tables of the snapshots, and all below them. */
export async function countSnapshots(run: CheckRun, snapshots: CheckedSnapshots): Promise<void> {
  const { entries, length, clusters } = snapshots;
  const { clusterSize } = run.geometry;
  for (const { bytes, l1High, l1Low, l1Entries } of entries) {
    const offset = l1High * 0x1_0000_0000 + l1Low;
    if (l1Low % clusterSize !== 0) {
      run.corrupt(`${titleOf(bytes)} l1_offset=0x${hexWord(l1High, l1Low)}: L1 table is not cluster aligned; snapshot table entry corrupted`);
    } else if (l1Entries * 8 > MAX_L1_BYTES) {
      run.corrupt(`${titleOf(bytes)} l1_size=0x${l1Entries.toString(16)}: L1 table is too large; snapshot table entry corrupted`);
    } else {
      await countL1(run, offset, l1Entries, false);
    }
  }
  const before = new Set(run.doubtful);
  run.metadata(run.header.current.snapshotsOffset, length, clusters);
  snapshots.doubtful = [...run.doubtful].filter((cluster) => !before.has(cluster));
}

/** The bytes of the table; entries begin at multiples of eight. */
export function encodeSnapshots(entries: readonly Entry[]): Uint8Array {
  const length = entries.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 8) * 8, 0);
  const table = new Uint8Array(length);
  let at = 0;
  for (const { bytes } of entries) {
    table.set(bytes, at);
    at += Math.ceil(bytes.length / 8) * 8;
  }
  return table;
}

/** An entry without what is too much of its extra data; `length` is what it takes on disk. */
async function readEntry(window: Window, offset: number): Promise<{ readonly bytes: Uint8Array; readonly extra: number; readonly length: number }> {
  const head = new Uint8Array(FIXED_BYTES);
  await window.read(offset, head);
  const view = viewOf(head);
  const extra = view.getUint32(36);
  const names = view.getUint16(12) + view.getUint16(14);
  const kept = Math.min(extra, MAX_EXTRA);
  const bytes = new Uint8Array(FIXED_BYTES + kept + names);
  bytes.set(head);
  viewOf(bytes).setUint32(36, kept);
  await window.read(offset + FIXED_BYTES, bytes.subarray(FIXED_BYTES, FIXED_BYTES + kept));
  await window.read(offset + FIXED_BYTES + extra, bytes.subarray(FIXED_BYTES + kept));
  return { bytes, extra, length: FIXED_BYTES + extra + names };
}

/** A piece of the file in memory: most entries are short, and there may be many of them. */
class Window {
  readonly #bytes = new Uint8Array(WINDOW_BYTES);
  #offset = -1;

  constructor(private readonly run: CheckRun) {}

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (into.length > WINDOW_BYTES) return this.run.read(offset, into);
    const from = this.#offset;
    if (from < 0 || offset < from || offset + into.length > from + WINDOW_BYTES) {
      await this.run.read(offset, this.#bytes);
      this.#offset = offset;
    }
    into.set(this.#bytes.subarray(offset - this.#offset, offset - this.#offset + into.length));
  }
}

function decode(bytes: Uint8Array): Entry {
  const view = viewOf(bytes);
  return { bytes, l1High: view.getUint32(0), l1Low: view.getUint32(4), l1Entries: view.getUint32(8) };
}

/** How messages call a snapshot. */
function titleOf(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  const names = FIXED_BYTES + view.getUint32(36);
  const idEnd = names + view.getUint16(12);
  return `snapshot ${text(bytes.subarray(names, idEnd))} (${text(bytes.subarray(idEnd))})`;
}

/**
 * The entry with an id and a name that end where they seem to: the one with its digits, the other before the zeroes that follow it, or
 * that the next entry begins with.
 */
function shortened(bytes: Uint8Array, index: number): Uint8Array {
  const names = FIXED_BYTES + viewOf(bytes).getUint32(36);
  const idLength = viewOf(bytes).getUint16(12);
  const told = text(bytes.subarray(names, names + MAX_TOLD_NAME));
  const digits = /^\d*/.exec(told)?.[0].length ?? 0;
  const ends = Math.min(idLength, digits);
  const encoder = new TextEncoder();
  const id = encoder.encode(ends > 0 ? told.slice(0, ends) : String(index + 1));
  const name = encoder.encode(told.slice(ends));
  const entry = new Uint8Array(names + id.length + name.length);
  entry.set(bytes.subarray(0, names));
  entry.set(id, names);
  entry.set(name, names + id.length);
  viewOf(entry).setUint16(12, id.length);
  viewOf(entry).setUint16(14, name.length);
  return entry;
}

/** The entry with the extra data that it lacks: what it says elsewhere about the state, and the disk's present size. */
function withExtra(bytes: Uint8Array, run: CheckRun): Uint8Array {
  const old = viewOf(bytes);
  const had = old.getUint32(36);
  const whole = new Uint8Array(bytes.length + NEEDED_EXTRA - had);
  whole.set(bytes.subarray(0, FIXED_BYTES + had));
  whole.set(bytes.subarray(FIXED_BYTES + had), FIXED_BYTES + NEEDED_EXTRA);
  const view = viewOf(whole);
  view.setUint32(36, NEEDED_EXTRA);
  const stateSize = had >= 8 ? u64(old, FIXED_BYTES) : old.getUint32(32);
  putU64(view, FIXED_BYTES, stateSize);
  putU64(view, FIXED_BYTES + 8, run.header.current.size);
  return whole;
}

function refuse(kind: BlockErrorKind, message: string): BlockError {
  return new BlockError(kind, message, { driver: 'qcow2' });
}
