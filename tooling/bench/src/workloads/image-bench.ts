// Requests inside one process, without a protocol. Rows 6 and 7 of the table of goals.
import type { ImageBench } from '../workload.js';

// A step of 17 requests leaves no two of them side by side, so neither program can join them.
const far = '-s 4096 -S 69632';

export const imageBench: readonly ImageBench[] = [
  {
    kind: 'image-bench', id: 'bench-qcow2-4k-read-d32-threads', title: 'bench, qcow2, 4 KiB read, depth 32', row: 6, bar: 3, goal: 6,
    peer: 'qemu-img bench -i threads', source: 'full.qcow2', words: `-f qcow2 -t writeback -i threads -c 200000 -d 32 ${far}`,
  },
  {
    kind: 'image-bench', id: 'bench-qcow2-4k-read-d32-io_uring', title: 'bench, qcow2, 4 KiB read, depth 32', row: 6, bar: 1.2, goal: 2,
    peer: 'qemu-img bench -i io_uring', source: 'full.qcow2', words: `-f qcow2 -t writeback -i io_uring -c 200000 -d 32 ${far}`,
    // Ours is asked for its default: what it does for data that is in memory does not depend on the engine.
    ourWords: `-f qcow2 -t writeback -i threads -c 200000 -d 32 ${far}`,
  },
  {
    kind: 'image-bench', id: 'bench-raw-direct-4k-read-d32', title: 'bench, raw, O_DIRECT, 4 KiB read, depth 32', row: 7, bar: 0.8, goal: 0.95,
    peer: 'qemu-img bench -t none -i native', source: 'full.raw', words: `-f raw -t none -i native -c 50000 -d 32 ${far}`,
  },
  {
    kind: 'image-bench', id: 'bench-raw-direct-4k-read-d1', title: 'bench, raw, O_DIRECT, 4 KiB read, depth 1', row: 7, bar: 0.9, goal: 1,
    peer: 'qemu-img bench -t none -i native', source: 'full.raw', words: `-f raw -t none -i native -c 10000 -d 1 ${far}`,
  },
];
