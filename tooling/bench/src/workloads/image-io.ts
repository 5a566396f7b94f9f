// Encrypted images, by single commands of qemu-io. Row 12 of the table of goals.
import type { ImageIo } from '../workload.js';

const base = { kind: 'image-io', row: 12, bar: 2, goal: 4, peer: 'qemu-io', source: 'full.luks' } as const;

export const imageIo: readonly ImageIo[] = [
  { ...base, id: 'io-luks-read', title: 'io, LUKS, read 256 MiB', command: 'read -P 7 0 256M' },
  { ...base, id: 'io-luks-write', title: 'io, LUKS, write 256 MiB', command: 'write -P 9 0 256M' },
];
