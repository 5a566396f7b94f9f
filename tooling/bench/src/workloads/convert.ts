// Copying whole images. Rows 8 to 11 of the table of goals.
import { PACKED_FORMATS, PLAIN_FORMATS, type Convert } from '../workload.js';

const peer = 'qemu-img convert, defaults';
const base = { kind: 'convert', peer, words: '' } as const;

export const convert: readonly Convert[] = [
  { ...base, id: 'convert-raw-raw-full', title: 'convert raw to raw, full, 2 GiB, -n', row: 8, bar: 1, goal: 1.4, source: 'long.raw', to: 'raw', target: 'existing' },
  { ...base, id: 'convert-raw-raw-fragmented', title: 'convert raw to raw, data and zeroes in turn every 4 KiB, 512 MiB', row: 8, bar: 3, goal: 5, source: 'fragmented.raw', to: 'raw', target: 'new' },
  { ...base, id: 'convert-raw-raw-sparse', title: 'convert raw to raw, a quarter data, 2 GiB', source: 'sparse.raw', to: 'raw', target: 'new' },
  { ...base, id: 'convert-raw-qcow2-full', title: 'convert raw to qcow2, full, 2 GiB', row: 9, bar: 1, goal: 1.4, source: 'long.raw', to: 'qcow2', target: 'new' },
  { ...base, id: 'convert-raw-qcow2-sparse', title: 'convert raw to qcow2, a quarter data, 2 GiB', row: 9, bar: 1, goal: 1.4, source: 'sparse.raw', to: 'qcow2', target: 'new' },
  { ...base, id: 'convert-qcow2-raw-full', title: 'convert qcow2 to raw, full, 2 GiB', row: 9, bar: 0.9, goal: 1, source: 'long.qcow2', to: 'raw', target: 'new' },
  { ...base, id: 'convert-qcow2-raw-sparse', title: 'convert qcow2 to raw, a quarter data, 2 GiB', row: 9, bar: 0.9, goal: 1, source: 'sparse.qcow2', to: 'raw', target: 'new' },
  { ...base, id: 'convert-c-zlib', title: 'convert -c, raw to qcow2, zlib, 128 MiB', row: 10, bar: 1.5, goal: 1.9, source: 'text.raw', to: 'qcow2', target: 'new', words: '-c' },
  { ...base, id: 'convert-c-zstd', title: 'convert -c, raw to qcow2, zstd, 128 MiB', row: 10, bar: 1, goal: 1.5, source: 'text.raw', to: 'qcow2', target: 'new', words: '-c -o compression_type=zstd' },
  { ...base, id: 'convert-compressed-raw', title: 'convert compressed qcow2 (zlib) to raw, 512 MiB, -n', row: 11, bar: 1.2, goal: 2, source: 'long-text.qcow2', to: 'raw', target: 'existing' },
  { ...base, id: 'convert-zstd-raw', title: 'convert compressed qcow2 (zstd) to raw, 512 MiB, -n', row: 11, bar: 1.2, goal: 2, source: 'long-text-zstd.qcow2', to: 'raw', target: 'existing' },
  {
    ...base, id: 'convert-http-raw', title: 'convert raw from nginx to raw, full, 1 GiB, -n', bar: 1, goal: 1, source: 'full.raw', to: 'raw', target: 'existing', over: 'http',
    // With more than one request in flight the reference 7.2 stops for good in the middle of the file.
    peer: 'qemu-img convert -m 1', peerWords: '-m 1',
  },
  { ...base, id: 'convert-nbd-raw', title: 'convert raw from qemu-nbd to raw, full, 1 GiB, -n', bar: 1, goal: 1, source: 'full.raw', to: 'raw', target: 'existing', over: 'nbd' },
  ...PLAIN_FORMATS.map((format): Convert => ({
    ...base, id: `convert-${format}-raw`, title: `convert ${format} to raw, full, 2 GiB, -n`, bar: 1, goal: 1, source: `long.${format}`, to: 'raw', target: 'existing',
  })),
  { ...base, id: 'convert-bochs-raw', title: 'convert bochs to raw, full, 16 MiB', bar: 1, goal: 1, source: 'short.bochs', to: 'raw', target: 'new' },
  { ...base, id: 'convert-directory-raw', title: 'convert fat:, 5,000 files of 0.5 to 8 KiB, to raw', bar: 1, goal: 1, source: 'small-files.dir', to: 'raw', target: 'new' },
  ...PACKED_FORMATS.map((format): Convert => ({
    ...base, id: `convert-packed-${format}-raw`, title: `convert ${format}, compressed, to raw, 512 MiB, -n`, bar: 1, goal: 1, source: `long-text.${format}`, to: 'raw', target: 'existing',
  })),
];
