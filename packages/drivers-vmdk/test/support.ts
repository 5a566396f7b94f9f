/** Images for the tests, in as many files as they have. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImagePolicy } from '@blk/core-graph';
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import { vmdk } from '../src/index.js';

const MAX_CONTENT = 64 * 1024 * 1024;

export class Bench extends FormatBench {
  readonly #names = new Set<string>();

  constructor(policy?: ImagePolicy) {
    super(vmdk, policy === undefined ? {} : { policy });
  }

  /** All files of a folder under their names, large ones without their content; the disk that is called `name`. */
  load(folder: string, name: string): MemoryDisk {
    for (const file of readdirSync(folder)) {
      if (!file.includes('.vmdk')) continue;
      const path = join(folder, file);
      this.#names.add(file);
      const { size } = statSync(path);
      this.disks.put(file, size > MAX_CONTENT ? { size } : { content: new Uint8Array(readFileSync(path)) });
    }
    return this.disks.get(name);
  }

  /** More of them, which were made here. */
  note(...names: readonly string[]): void {
    for (const name of names) this.#names.add(name);
  }

  /** Writes them back. */
  save(folder: string): void {
    for (const file of this.#names) writeFileSync(join(folder, file), this.disks.get(file).toBytes());
  }
}

export type Edit = readonly [at: number, value: number | bigint | string, bits?: 8 | 16 | 32];

export function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  for (const [at, value, bits] of edits) {
    if (typeof value === 'string') changed.set(new TextEncoder().encode(value), at);
    else if (bits === 8) changed[at] = Number(value);
    else if (bits === 16) view.setUint16(at, Number(value), true);
    else if (bits === 32) view.setUint32(at, Number(value), true);
    else view.setBigUint64(at, BigInt(value), true);
  }
  return changed;
}

/** Of a disk of 8 MiB: the redundant directory with its one table, and the directory with its. */
export const COPY = 21 * 512;
export const DIRECTORY = 26 * 512;
export const TABLE = 27 * 512;

/** 8 MiB with data in four grains. */
export async function sample(options: Record<string, unknown> = {}, edits: readonly Edit[] = []): Promise<MemoryDisk> {
  const bench = new Bench();
  const disk = await bench.create(8 << 20, options);
  const node = await bench.open(disk);
  await node.write(0, new Uint8Array(131072).fill(1), 0, 131072);
  await node.write(5 << 20, new Uint8Array(131072).fill(2), 0, 131072);
  await bench.graph.release(node);
  return new MemoryDisk({ content: edited(disk.toBytes(), edits) });
}
