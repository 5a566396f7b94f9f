/** Images for the tests, and changes of their bytes. */
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import { defineDriver, WriteFlag, type ImagePolicy } from '@blk/core-graph';
import { qcow } from '../src/index.js';

/** A backing file: the bytes of its child. */
export const plain = defineDriver<{ readonly file: unknown }>({
  name: 'raw',
  role: 'format',
  options: {},
  children: { file: 'required' },
  async open(options, context) {
    const file = await context.child('file', options.file, 'storage');
    return {
      size: file.size,
      limits: file.node.limits,
      read: (offset, buffer, start, length) => file.read(offset, buffer, start, length),
      close: () => Promise.resolve(),
    };
  },
});

export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(qcow, { secrets: () => new TextEncoder().encode('open sesame'), drivers: [plain], ...(policy === undefined ? {} : { policy }) });
  }
}

export type Edit = readonly [at: number, value: number, bits?: 8 | 32];

export function edited(disk: MemoryDisk, edits: readonly Edit[]): MemoryDisk {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [at, value, bits] of edits) {
    if (bits === 8) view.setUint8(at, value);
    else if (bits === 32) view.setUint32(at, value);
    else view.setBigUint64(at, BigInt(value));
  }
  return new MemoryDisk({ content: bytes });
}

/** Of `sample`: the tables. */
export const L1 = 48;
export const L2 = 0x1000;
/** How encrypted images are opened. */
export const KEY = { encrypt: { format: 'aes', 'key-secret': 'sec0' } };
export const ENCRYPTED = { 'encrypt.format': 'aes', 'encrypt.key-secret': 'sec0' };

/** 10 MiB with 64 KiB of data at the start, and a packed cluster at 1 MiB. */
export async function sample(edits: readonly Edit[] = []): Promise<MemoryDisk> {
  const bench = new Bench();
  const disk = await bench.create(10 << 20);
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(65536).fill(1), 0, 65536);
  await node.write(1 << 20, new Uint8Array(4096).fill(2), 0, 4096, WriteFlag.Compressed);
  await bench.graph.release(node);
  return edited(disk, edits);
}

/** An own look at the tables, apart from the driver's: no table and no cluster is referred to twice, and all lie in the file. */
export function checkBytes(disk: MemoryDisk): void {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const u64 = (at: number): number => Number(view.getBigUint64(at));
  const cluster = 2 ** bytes[32];
  const entries = 2 ** bytes[33];
  const seen = new Set<number>();
  const use = (offset: number, length: number, unit: number): void => {
    if (offset + length > bytes.length) throw new Error(`${length} bytes at ${offset} are beyond the end of the file`);
    for (let at = offset; at < offset + length; at += unit) {
      if (seen.has(at)) throw new Error(`${at} is referred to twice`);
      seen.add(at);
    }
  };
  for (let table = 0; table < Math.ceil(u64(24) / cluster / entries); table++) {
    const place = u64(u64(40) + table * 8);
    if (place === 0) continue;
    use(place, entries * 8, 512);
    for (let entry = 0; entry < entries; entry++) {
      const data = u64(place + entry * 8);
      if (data !== 0 && data < 2 ** 62) use(data, cluster, 512);
    }
  }
}
