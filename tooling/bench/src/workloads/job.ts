// Block jobs, and the latency of commands. Row 15 of the table of goals.
import type { Job } from '../workload.js';

const base = { kind: 'job', row: 15, bar: 1, goal: 1.5, peer: 'qemu-storage-daemon', source: 'full.qcow2' } as const;

export const job: readonly Job[] = [
  { ...base, id: 'job-backup', title: 'blockdev-backup, qcow2 to qcow2, 1 GiB', job: 'backup' },
  { ...base, id: 'job-mirror', title: 'blockdev-mirror until it is ready, qcow2 to qcow2, 1 GiB', job: 'mirror' },
  { ...base, id: 'job-stream', title: 'block-stream into an overlay, 1 GiB', job: 'stream' },
  { ...base, id: 'job-commit', title: 'block-commit of an image between, 1 GiB', job: 'commit' },
  { kind: 'job', id: 'qmp-queries', title: 'a thousand query-named-block-nodes, one after the other', peer: 'qemu-storage-daemon', source: 'full.qcow2', job: 'query' },
];
