/** Images of one format on disks in memory: made, opened, changed, looked at, and handed to other programs as files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockGraph, TRUSTED, type BlockDriver, type BlockNode, type CheckResult, type Definition, type ImagePolicy, type Repair } from '@blk/core-graph';
import type { Prng } from '@blk/oracle';
import { MemoryDisk } from './memory-disk.js';
import { MemoryDisks } from './memory-driver.js';
import type { PowerCutSubject } from './power-cuts.js';
import { expectSameBytes } from './same-bytes.js';

export interface HowToOpen {
  readonly readOnly?: boolean;
  readonly checking?: boolean;
}

export interface FormatBenchOptions {
  readonly policy?: ImagePolicy;
  /** Others besides the format's. */
  readonly drivers?: readonly BlockDriver[];
  readonly secrets?: (id: string) => Uint8Array;
}

export class FormatBench {
  readonly disks = new MemoryDisks();
  readonly warnings: string[] = [];
  readonly graph: BlockGraph;

  constructor(
    private readonly format: BlockDriver,
    { policy = TRUSTED, drivers = [], secrets }: FormatBenchOptions = {},
  ) {
    this.graph = new BlockGraph({
      drivers: [this.disks.driver, format, ...drivers], policy, host: { warn: (message) => this.warnings.push(message) },
      ...(secrets === undefined ? {} : { secrets }),
    });
  }

  async create(size: number, options: Record<string, unknown> = {}, name = 'image'): Promise<MemoryDisk> {
    this.disks.put(name);
    await this.graph.create(`memory:${name}`, { format: this.format.name, size, options });
    return this.disks.get(name);
  }

  open(disk: MemoryDisk, options: Definition = {}, how: HowToOpen = {}): Promise<BlockNode> {
    return this.graph.open({ driver: this.format.name, file: { ...disk.definition, discard: 'unmap' }, discard: 'unmap', ...options }, how);
  }

  /** What all of the image reads as. */
  async content(disk: MemoryDisk, options: Definition = {}): Promise<Uint8Array> {
    const node = await this.open(disk, options, { readOnly: true });
    const bytes = await readAll(node);
    await this.graph.release(node);
    return bytes;
  }

  /** Checks, and repairs where asked, in an image opened for that alone. */
  async check(disk: MemoryDisk, repair: Repair = 'none', options: Definition = {}): Promise<{ readonly result: CheckResult; readonly lines: readonly string[] }> {
    const node = await this.open(disk, options, { checking: true, readOnly: repair === 'none' });
    const lines: string[] = [];
    try {
      if (node.driver.check === undefined) throw new Error(`${this.format.name} has no checks`);
      return { result: await node.driver.check({ repair, finding: (text) => lines.push(text) }), lines };
    } finally {
      await this.graph.release(node);
    }
  }

  /** Requests to the disk when a byte is read at each of these offsets for the second time: none where all that tells of them stayed in memory. */
  async secondReads(disk: MemoryDisk, offsets: readonly number[], options: Definition = {}): Promise<number> {
    const node = await this.open(disk, options, { readOnly: true });
    const before: number[] = [];
    for (let round = 0; round < 2; round++) {
      before.push(disk.counts.read);
      for (const offset of offsets) await node.read(offset, new Uint8Array(1), 0, 1);
    }
    await this.graph.release(node);
    return disk.counts.read - before[1];
  }

  /**
   * How many of these places stay in memory at the same time: a byte is read at each, then again from the last one back, as long as the disk is
   * not asked for anything. Nothing is stored at these places.
   */
  async kept(disk: MemoryDisk, holes: readonly number[], options: Definition = {}): Promise<number> {
    const node = await this.open(disk, options, { readOnly: true });
    const read = async (offset: number): Promise<void> => node.read(offset, new Uint8Array(1), 0, 1);
    for (const offset of holes) await read(offset);
    const before = disk.counts.read;
    let kept = 0;
    for (; kept < holes.length; kept++) {
      await read(holes[holes.length - 1 - kept]);
      if (disk.counts.read > before) break;
    }
    await this.graph.release(node);
    return kept;
  }

  /** What `provePowerCuts` needs. */
  subject(look?: PowerCutSubject['look'], options: Definition = {}): PowerCutSubject {
    return {
      open: (disk, readOnly) => this.open(disk, options, { readOnly }),
      release: (node) => this.graph.release(node),
      ...(look === undefined ? {} : { look }),
    };
  }
}

export async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  if (bytes.length > 0) await node.read(0, bytes, 0, bytes.length);
  return bytes;
}

export async function writeBytes(node: BlockNode, offset: number, bytes: Uint8Array): Promise<void> {
  await node.write(offset, bytes, 0, bytes.length);
}

export function loadDisk(file: string): MemoryDisk {
  return new MemoryDisk({ content: new Uint8Array(readFileSync(file)) });
}

export function saveDisk(disk: MemoryDisk, file: string): void {
  writeFileSync(file, disk.toBytes());
}

/** Random writes, zeroes and flushes in the image and in `model`; then both are the same. */
export async function scribble(bench: FormatBench, disk: MemoryDisk, model: Uint8Array, random: Prng, options: Definition = {}): Promise<void> {
  const node = await bench.open(disk, options);
  for (let step = 0; step < 25; step++) {
    const offset = random.below(model.length);
    const length = Math.min(model.length - offset, 1 + random.below(random.pick([600, 100_000, 2_500_000])));
    if (random.below(5) === 0) {
      model.fill(0, offset, offset + length);
      await node.writeZeroes(offset, length, random.pick([0, 2]));
    } else {
      const bytes = random.bytes(length);
      model.set(bytes, offset);
      await node.write(offset, bytes, 0, length);
    }
    if (random.below(4) === 0) await node.flush();
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
}
