/** The snapshot table: bytes to checked entries, and back. What an entry holds besides is kept byte for byte. */
import type { Edge, NewSnapshot, SnapshotInfo } from '@blk/core-graph';
import { qcow2Error } from './errors.js';
import { MAX_L1_BYTES, putU64, u64, viewOf, type Geometry } from './format.js';

/** An internal snapshot's own L1 table. */
export interface SnapshotL1 {
  /** Place in bytes. */
  readonly offset: number;
  readonly entries: number;
}

export interface StoredSnapshot {
  readonly info: SnapshotInfo;
  readonly l1: SnapshotL1;
  /** The entry as it is in the table, without the padding behind it. */
  readonly bytes: Uint8Array;
}

export interface SnapshotTable {
  /** Bytes of the table. */
  readonly length: number;
  readonly snapshots: readonly StoredSnapshot[];
  readonly l1Tables: readonly SnapshotL1[];
}

const FIXED_BYTES = 40;
/** Size of the machine's state, size of the disk, and count of instructions: what the specification and QEMU define. */
const EXTRA_BYTES = 24;
/** QEMU's limits: 64 MiB of table, 1024 bytes of extra data to an entry. */
export const MAX_TABLE_BYTES = 64 * 1024 * 1024;
const MAX_EXTRA_BYTES = 1024;
const FORCE_REMOVE = 'You can force-remove this extra metadata with qemu-img check -r all';
const NO_ICOUNT = 0xffff_ffff_ffff_ffffn;

export const EMPTY_TABLE: SnapshotTable = { length: 0, snapshots: [], l1Tables: [] };

/** Reads `count` entries at `offset`. Throws a `BlockError` where the table is damaged. */
export async function readSnapshotTable(file: Edge, offset: number, count: number): Promise<SnapshotTable> {
  if (count === 0) return EMPTY_TABLE;
  const snapshots: StoredSnapshot[] = [];
  const window = new Window(file, offset);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const head = viewOf(await window.bytes(at, FIXED_BYTES, index));
    const extra = head.getUint32(36);
    if (extra > MAX_EXTRA_BYTES) throw bad(`Too much extra metadata in snapshot table entry ${index}\n${FORCE_REMOVE}`);
    const length = FIXED_BYTES + extra + head.getUint16(12) + head.getUint16(14);
    at += Math.ceil(length / 8) * 8;
    if (at > MAX_TABLE_BYTES) throw bad('Snapshot table is too big');
    snapshots.push(decodeEntry((await window.bytes(at - Math.ceil(length / 8) * 8, length, index)).slice()));
  }
  return tableOf(snapshots);
}

/** Throws where the L1 table of a snapshot can't be one. */
export function checkSnapshotL1({ offset, entries }: SnapshotL1, index: number, file: Edge, geometry: Geometry): void {
  if (entries * 8 > MAX_L1_BYTES) throw bad(`Snapshot L1 table too large in snapshot table entry ${index}`);
  if (offset % geometry.clusterSize !== 0 || offset + entries * 8 > file.size) {
    throw bad(`Snapshot L1 table offset invalid in snapshot table entry ${index}`);
  }
}

/** A table of these entries. */
export function tableOf(snapshots: readonly StoredSnapshot[]): SnapshotTable {
  const length = snapshots.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 8) * 8, 0);
  return { length, snapshots, l1Tables: snapshots.map(({ l1 }) => l1) };
}

/** A new entry. */
export function newSnapshot(id: string, request: NewSnapshot, diskSize: number, l1: SnapshotL1): StoredSnapshot {
  const idBytes = new TextEncoder().encode(id);
  const nameBytes = new TextEncoder().encode(request.name);
  if (nameBytes.length > 0xffff) throw qcow2Error({ what: 'snapshot-table', text: 'Snapshot name is too long' });
  const bytes = new Uint8Array(FIXED_BYTES + EXTRA_BYTES + idBytes.length + nameBytes.length);
  const view = viewOf(bytes);
  const stateSize = request.vmStateSize ?? 0;
  putU64(view, 0, l1.offset);
  view.setUint32(8, l1.entries);
  view.setUint16(12, idBytes.length);
  view.setUint16(14, nameBytes.length);
  view.setUint32(16, request.dateSec);
  view.setUint32(20, request.dateNsec);
  view.setBigUint64(24, request.vmClockNsec ?? 0n);
  view.setUint32(32, Math.min(stateSize, 0xffff_ffff));
  view.setUint32(36, EXTRA_BYTES);
  putU64(view, 40, stateSize);
  putU64(view, 48, diskSize);
  view.setBigUint64(56, request.icount ?? NO_ICOUNT);
  bytes.set(idBytes, FIXED_BYTES + EXTRA_BYTES);
  bytes.set(nameBytes, FIXED_BYTES + EXTRA_BYTES + idBytes.length);
  return decodeEntry(bytes);
}

/** The bytes of a table. */
export function encodeTable({ length, snapshots }: SnapshotTable): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const entry of snapshots) {
    bytes.set(entry.bytes, at);
    at += Math.ceil(entry.bytes.length / 8) * 8;
  }
  return bytes;
}

/** An entry that is known to hold what its lengths say. */
function decodeEntry(bytes: Uint8Array): StoredSnapshot {
  const view = viewOf(bytes);
  const extra = view.getUint32(36);
  const idFrom = FIXED_BYTES + extra;
  const nameFrom = idFrom + view.getUint16(12);
  const icount = extra >= 24 ? view.getBigUint64(56) : NO_ICOUNT;
  return {
    l1: { offset: u64(view, 0), entries: view.getUint32(8) },
    bytes,
    info: {
      id: textOf(bytes.subarray(idFrom, nameFrom)),
      name: textOf(bytes.subarray(nameFrom, nameFrom + view.getUint16(14))),
      dateSec: view.getUint32(16),
      dateNsec: view.getUint32(20),
      vmClockNsec: view.getBigUint64(24),
      vmStateSize: extra >= 8 ? u64(view, 40) : view.getUint32(32),
      diskSize: extra >= 16 ? u64(view, 48) : undefined,
      icount: icount === NO_ICOUNT ? undefined : icount,
    },
  };
}

/** Up to the first zero, where there is one: others read it as a string of C. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Reads ahead, so that many small entries do not become many small reads. */
class Window {
  static readonly #BYTES = 256 * 1024;
  #from = 0;
  #held = new Uint8Array(0);

  constructor(
    private readonly file: Edge,
    private readonly offset: number,
  ) {}

  async bytes(at: number, length: number, index: number): Promise<Uint8Array> {
    const held = at - this.#from;
    if (held >= 0 && held + length <= this.#held.length) return this.#held.subarray(held, held + length);
    const left = this.file.size - (this.offset + at);
    if (left < length) throw bad(`Snapshot table entry ${index} lies beyond the end of the file`);
    this.#held = new Uint8Array(Math.min(left, Math.max(length, Window.#BYTES)));
    this.#from = at;
    const done = this.file.read(this.offset + at, this.#held, 0, this.#held.length);
    if (done !== undefined) await done;
    return this.#held.subarray(0, length);
  }
}

function bad(text: string): Error {
  return qcow2Error({ what: 'snapshot-table', text });
}
