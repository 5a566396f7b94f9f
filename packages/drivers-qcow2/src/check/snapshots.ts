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

interface Entry {
  /** All of it, as it is to be kept. */
  readonly bytes: Uint8Array;
  readonly id: string;
  readonly name: string;
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
}

/** Reads the table and judges it. Throws where that can't be done without leaving something out, unless everything is repaired. */
export async function readSnapshots(run: CheckRun): Promise<CheckedSnapshots> {
  const { snapshotsOffset, snapshotCount } = run.header.current;
  const { clusterSize, version } = run.geometry;
  let count = snapshotCount;
  let changed = false;
  if (count > 0 && snapshotsOffset % clusterSize !== 0) throw refuse('invalid-argument', 'ERROR snapshot table offset invalid');
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
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { bytes, extra, length } = await readEntry(run, snapshotsOffset + at);
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
  return { entries, length: at, changed };
}

/** Counts the L1 tables of the snapshots, and all below them. */
export async function countSnapshots(run: CheckRun, { entries, length }: CheckedSnapshots): Promise<void> {
  const { clusterSize } = run.geometry;
  for (const { id, name, l1High, l1Low, l1Entries } of entries) {
    const where = `snapshot ${id} (${name})`;
    const offset = l1High * 0x1_0000_0000 + l1Low;
    if (l1Low % clusterSize !== 0) {
      run.corrupt(`${where} l1_offset=0x${hexWord(l1High, l1Low)}: L1 table is not cluster aligned; snapshot table entry corrupted`);
    } else if (l1Entries * 8 > MAX_L1_BYTES) {
      run.corrupt(`${where} l1_size=0x${l1Entries.toString(16)}: L1 table is too large; snapshot table entry corrupted`);
    } else {
      await countL1(run, offset, l1Entries, false);
    }
  }
  run.metadata(run.header.current.snapshotsOffset, length);
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
async function readEntry(run: CheckRun, offset: number): Promise<{ readonly bytes: Uint8Array; readonly extra: number; readonly length: number }> {
  const head = new Uint8Array(FIXED_BYTES);
  await run.read(offset, head);
  const view = viewOf(head);
  const extra = view.getUint32(36);
  const names = view.getUint16(12) + view.getUint16(14);
  const kept = Math.min(extra, MAX_EXTRA);
  const bytes = new Uint8Array(FIXED_BYTES + kept + names);
  bytes.set(head);
  viewOf(bytes).setUint32(36, kept);
  await run.read(offset + FIXED_BYTES, bytes.subarray(FIXED_BYTES, FIXED_BYTES + kept));
  await run.read(offset + FIXED_BYTES + extra, bytes.subarray(FIXED_BYTES + kept));
  return { bytes, extra, length: FIXED_BYTES + extra + names };
}

function decode(bytes: Uint8Array): Entry {
  const view = viewOf(bytes);
  const names = FIXED_BYTES + view.getUint32(36);
  const idEnd = names + view.getUint16(12);
  return {
    bytes,
    id: text(bytes.subarray(names, idEnd)),
    name: text(bytes.subarray(idEnd)),
    l1High: view.getUint32(0),
    l1Low: view.getUint32(4),
    l1Entries: view.getUint32(8),
  };
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
