/** Images in memory for the tests: opened, changed, and handed to the reference tools as files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockGraph, TRUSTED, type BlockNode, type ImagePolicy } from '@blk/core-graph';
import { MemoryDisk, MemoryDisks } from '@blk/driver-conformance';
import { qemuImg } from '@blk/oracle';
import { vdi } from '../src/index.js';

export class Bench {
  readonly disks = new MemoryDisks();
  readonly graph: BlockGraph;

  constructor(policy: ImagePolicy = TRUSTED) {
    this.graph = new BlockGraph({ drivers: [this.disks.driver, vdi], policy });
  }

  async create(size: number, options: Record<string, unknown> = {}): Promise<MemoryDisk> {
    this.disks.put('image');
    await this.graph.create('memory:image', { format: 'vdi', size, options });
    return this.disks.get('image');
  }

  open(disk: MemoryDisk, options: { readonly readOnly?: boolean; readonly checking?: boolean } = {}): Promise<BlockNode> {
    return this.graph.open({ driver: 'vdi', file: { ...disk.definition, discard: 'unmap' }, discard: 'unmap' }, options);
  }
}

export async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  if (bytes.length > 0) await node.read(0, bytes, 0, bytes.length);
  return bytes;
}

/** Throws where the reference finds something wrong. */
export async function checkImage(file: string): Promise<void> {
  const { code, stdout, stderr } = await qemuImg('check', '-f', 'vdi', file);
  if (code !== 0) throw new Error(`qemu-img check: exit code ${code}\n${stderr}${stdout}`);
}

/** Throws where the reference reads other bytes from the image than `expected`. */
export async function compareWith(file: string, expected: Uint8Array): Promise<void> {
  writeFileSync(`${file}.raw`, expected);
  const { code, stdout, stderr } = await qemuImg('compare', '-f', 'vdi', '-F', 'raw', file, `${file}.raw`);
  if (code !== 0) throw new Error(`qemu-img compare: exit code ${code}\n${stderr}${stdout}`);
}

export function save(disk: MemoryDisk, file: string): void {
  writeFileSync(file, disk.toBytes());
}

export function load(file: string): MemoryDisk {
  return new MemoryDisk({ content: new Uint8Array(readFileSync(file)) });
}

/**
 * An image whose blocks have another size, as no tool here makes it: written down from the description of the format.
 * `entries` are those of the map; block `n` of the file is full of the byte `n + 1`.
 */
export function handMade(size: number, blockSize: number, entries: readonly number[]): MemoryDisk {
  const stored = entries.filter((entry) => entry < 0xffff_fffe);
  const dataOffset = 4096;
  const bytes = new Uint8Array(dataOffset + blockSize * (Math.max(-1, ...stored) + 1));
  const view = new DataView(bytes.buffer);
  const words: [number, number][] = [
    [0x40, 0xbeda_107f], [0x44, 0x10001], [0x48, 0x190], [0x4c, 1], [0x154, 1024], [0x158, dataOffset], [0x168, 512], [0x178, blockSize],
    [0x180, entries.length], [0x184, stored.length],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  view.setBigUint64(0x170, BigInt(size), true);
  entries.forEach((entry, block) => {
    view.setUint32(1024 + block * 4, entry, true);
  });
  for (const entry of stored) bytes.fill(entry + 1, dataOffset + entry * blockSize, dataOffset + (entry + 1) * blockSize);
  return new MemoryDisk({ content: bytes });
}
