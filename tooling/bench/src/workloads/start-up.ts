// Commands that are over at once, in a new process each time. Row 13 of the table of goals.
import type { StartUp } from '../workload.js';

const base = { kind: 'start-up', row: 13, bar: 6.5, goal: 5, peer: 'qemu-img' } as const;

export const startUp: readonly StartUp[] = [
  { ...base, id: 'start-info-qcow2', title: 'info of a qcow2 image', source: 'full.qcow2', words: 'info -f qcow2 {source}' },
  { ...base, id: 'start-info-probe', title: 'info of a raw image, format probed', source: 'full.raw', words: 'info {source}' },
  { ...base, id: 'start-create-qcow2', title: 'create of a qcow2 image', source: 'full.raw', words: 'create -q -f qcow2 {target} 1G' },
  { ...base, id: 'start-create-raw', title: 'create of a raw image', source: 'full.raw', words: 'create -q -f raw {target} 1G' },
];
