// NBD over a unix socket, load from fio. Rows 1 to 5 of the table of goals.
import type { NbdCopy, NbdLoad } from '../workload.js';

const peer = 'qemu-nbd, defaults (writeback, threads)';
const KiB = 1024;

const random = (
  format: 'raw' | 'qcow2', rw: 'randread' | 'randwrite', depth: number, row: number, bar: number, goal: number
): NbdLoad => ({
  kind: 'nbd-load',
  id: `nbd-${format}-4k-${rw}-d${depth}`,
  title: `NBD 4 KiB random ${rw.slice(4)}, depth ${depth}, ${format}`,
  row, bar, goal, peer, source: `full.${format}`, rw, bs: 4 * KiB, depth,
});

const sequential = (rw: 'read' | 'write', bs: number, depth: number, bar: number, goal: number): NbdLoad => ({
  kind: 'nbd-load',
  id: `nbd-raw-${bs / KiB}k-${rw}-d${depth}`,
  title: `NBD ${bs / KiB} KiB sequential ${rw}, depth ${depth}, raw`,
  row: 4, bar, goal, peer, source: 'full.raw', rw, bs, depth,
});

export const nbd: readonly (NbdLoad | NbdCopy)[] = [
  random('raw', 'randread', 32, 1, 2.5, 4),
  random('qcow2', 'randread', 32, 1, 2.5, 4),
  random('raw', 'randwrite', 32, 2, 2, 3),
  random('qcow2', 'randwrite', 32, 2, 2, 3),
  random('raw', 'randread', 1, 3, 1.2, 2.5),
  random('qcow2', 'randread', 1, 3, 1.2, 2.5),
  random('raw', 'randwrite', 1, 3, 1, 2),
  random('qcow2', 'randwrite', 1, 3, 1, 2),
  sequential('read', 128 * KiB, 8, 2, 3),
  sequential('read', 1024 * KiB, 4, 2, 3),
  sequential('write', 128 * KiB, 8, 1.2, 2.5),
  sequential('write', 1024 * KiB, 4, 1.2, 2.5),
  { kind: 'nbd-copy', id: 'nbdcopy-raw', title: 'nbdcopy of a raw export', row: 5, bar: 1, goal: 1.3, peer, source: 'full.raw' },
  { kind: 'nbd-copy', id: 'nbdcopy-qcow2', title: 'nbdcopy of a qcow2 export', row: 5, bar: 1, goal: 1.3, peer, source: 'full.qcow2' },
];
