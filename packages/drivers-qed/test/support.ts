/** Images for the tests, and changes of their bytes. */
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import { defineDriver, type ImagePolicy } from '@blk/core-graph';
import { qed } from '../src/index.js';

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
    super(qed, { drivers: [plain], ...(policy === undefined ? {} : { policy }) });
  }
}

export type Edit = readonly [at: number, value: number, bits?: 32];

export function edited(disk: MemoryDisk, edits: readonly Edit[]): MemoryDisk {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [at, value, bits] of edits) {
    if (bits === 32) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
  }
  return new MemoryDisk({ content: bytes });
}

export const CLUSTER = 4096;
/** Of `sample`: the first table, and the two tables that it names, a piece of data behind each. */
export const L1 = 4096;
export const L2 = [0x3000, 0x15000] as const;

/** 10 MiB in clusters of 4 KiB: 16 of data at the start, 16 at 5 MiB, zero clusters after them. */
export async function sample(edits: readonly Edit[] = []): Promise<MemoryDisk> {
  const bench = new Bench();
  const disk = await bench.create(10 << 20, { cluster_size: CLUSTER, table_size: 2 });
  const backing = { driver: 'raw', file: new MemoryDisk({ size: 10 << 20 }).definition };
  const node = await bench.open(disk, { backing });
  await node.write(0, new Uint8Array(65536).fill(1), 0, 65536);
  await node.write(5 << 20, new Uint8Array(65536).fill(2), 0, 65536);
  await node.writeZeroes(6 << 20, 65536, 0);
  await bench.graph.release(node);
  return edited(disk, edits);
}
