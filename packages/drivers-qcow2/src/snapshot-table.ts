/** The snapshot table: as much of it as is needed to leave the snapshots alone. */
import type { Edge } from '@blk/core-graph';
import { qcow2Error } from './errors.js';
import { MAX_L1_BYTES, u64, viewOf, type Geometry } from './format.js';

/** An internal snapshot's own L1 table. */
export interface SnapshotL1 {
  /** Place in bytes. */
  readonly offset: number;
  readonly entries: number;
}

export interface SnapshotTable {
  /** Bytes of the table. */
  readonly length: number;
  readonly l1Tables: readonly SnapshotL1[];
}

const FIXED_BYTES = 40;
/** QEMU's limits: 64 MiB of table, 1024 bytes of extra data to an entry. */
const MAX_TABLE_BYTES = 64 * 1024 * 1024;
const MAX_EXTRA_BYTES = 1024;

/** Reads `count` entries at `offset`, a piece at a time. */
export async function readSnapshotTable(file: Edge, offset: number, count: number, geometry: Geometry): Promise<SnapshotTable> {
  const l1Tables: SnapshotL1[] = [];
  const head = new Uint8Array(FIXED_BYTES);
  const view = viewOf(head);
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (offset + at + FIXED_BYTES > file.size) throw bad(`Snapshot table entry ${index} lies beyond the end of the file`);
    const done = file.read(offset + at, head, 0, FIXED_BYTES);
    if (done !== undefined) await done;
    const l1Offset = u64(view, 0);
    const entries = view.getUint32(8);
    const extra = view.getUint32(36);
    if (extra > MAX_EXTRA_BYTES) throw bad(`Too much extra metadata in snapshot table entry ${index}`);
    if (entries * 8 > MAX_L1_BYTES) throw bad(`Snapshot L1 table too large in snapshot table entry ${index}`);
    if (l1Offset % geometry.clusterSize !== 0 || l1Offset + entries * 8 > file.size) {
      throw bad(`Snapshot L1 table offset invalid in snapshot table entry ${index}`);
    }
    l1Tables.push({ offset: l1Offset, entries });
    at += Math.ceil((FIXED_BYTES + extra + view.getUint16(12) + view.getUint16(14)) / 8) * 8;
    if (at > MAX_TABLE_BYTES) throw bad('Snapshot table too large');
  }
  return { length: at, l1Tables };
}

function bad(text: string): Error {
  return qcow2Error({ what: 'snapshot-table', text });
}
