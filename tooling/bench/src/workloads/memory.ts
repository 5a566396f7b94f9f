// Resident memory. Row 14 of the table of goals; there the peer is for scale only.
import type { Memory } from '../workload.js';

export const memory: readonly Memory[] = [
  { kind: 'memory', id: 'rss-nbd-idle', title: 'NBD server, idle', row: 14, bar: 64, goal: 50, peer: 'qemu-nbd', what: 'nbd-idle', source: 'full.qcow2' },
  { kind: 'memory', id: 'rss-server-idle', title: 'storage daemon with one export, idle', row: 14, bar: 64, goal: 50, peer: 'qemu-storage-daemon', what: 'daemon-idle', source: 'full.qcow2' },
  { kind: 'memory', id: 'rss-nbd-loaded', title: 'NBD server, highest under 1 MiB reads and writes', peer: 'qemu-nbd', what: 'nbd-loaded', source: 'full.qcow2' },
  { kind: 'memory', id: 'rss-convert', title: 'convert raw to qcow2, highest', row: 14, bar: 80, goal: 56, peer: 'qemu-img convert', what: 'convert-peak', source: 'full.raw' },
];
