// What it costs to have a disk several times, beside the slower of the copies alone.
import type { Redundancy } from '../workload.js';

const base = { kind: 'redundancy', bar: 1.2, goal: 1, peer: 'blk convert of the copy on qemu-nbd alone', source: 'full.raw' } as const;

export const redundancy: readonly Redundancy[] = [
  { ...base, id: 'redundancy-blkverify', title: 'convert through blkverify, a file and a copy on qemu-nbd, 1 GiB, -n', driver: 'blkverify' },
  { ...base, id: 'redundancy-quorum', title: 'convert through quorum, two files and a copy on qemu-nbd, 1 GiB, -n', driver: 'quorum' },
];
