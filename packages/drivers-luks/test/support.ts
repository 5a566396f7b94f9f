/** Containers for the tests: opened here, made and read by the reference tools there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockGraph, TRUSTED, type BlockNode, type ImagePolicy } from '@blk/core-graph';
import { SecretStore } from '@blk/crypto';
import { MemoryDisk, MemoryDisks } from '@blk/driver-conformance';
import { qemuImg, run } from '@blk/oracle';
import { luks } from '../src/index.js';

const store = new SecretStore();
/** `sec0` opens the containers of the tests, `new` may be added, `wrong` opens none. */
export const SECRETS = { sec0: 'letmein', new: 'changed, and longer', wrong: 'hunter2' } as const;
for (const [id, text] of Object.entries(SECRETS)) store.add(id, Buffer.from(text));
export const secrets = store.lookup;

/** `--object` for the reference tools. */
export const OBJECTS = Object.entries(SECRETS).flatMap(([id, text]) => ['--object', `secret,id=${id},data=${text.replaceAll(',', ',,')}`]);

export class Bench {
  readonly disks = new MemoryDisks();
  readonly graph: BlockGraph;

  constructor(policy: ImagePolicy = TRUSTED) {
    this.graph = new BlockGraph({ drivers: [this.disks.driver, luks], policy, secrets });
  }

  async create(size: number, options: Record<string, unknown> = {}): Promise<MemoryDisk> {
    await this.graph.create('memory:image', { format: 'luks', size, options: { 'key-secret': 'sec0', 'iter-time': 0, ...options } });
    return this.disks.get('image');
  }

  open(disk: MemoryDisk, secret = 'sec0', options: Record<string, unknown> = {}): Promise<BlockNode> {
    return this.graph.open({ driver: 'luks', 'key-secret': secret, file: disk.definition, ...options });
  }
}

/**
 * Makes a container with the reference. It times key derivation by the processor's clock, and now and then fails because of that; where the
 * machine is busy it takes a few turns, and seven were not enough once.
 */
export async function theirs(file: string, size: number, options: string): Promise<void> {
  for (let turn = 0; ; turn++) {
    const words = [...OBJECTS, '-o', `key-secret=sec0,iter-time=${20 * 2 ** (turn % 6)}${options === '' ? '' : `,${options}`}`];
    const { code, stderr } = await qemuImg('create', '-q', '-f', 'luks', ...words, file, String(size));
    if (code === 0) return;
    if (turn === 30 || !stderr.includes('Unable to get accurate CPU usage')) throw new Error(stderr);
  }
}

/** Runs qemu-io on a container; returns everything that it says. */
export async function theirIo(file: string, commands: readonly string[], secret = 'sec0'): Promise<string> {
  const words = commands.flatMap((command) => ['-c', command]);
  const { stdout, stderr } = await run('qemu-io', [...OBJECTS, '--image-opts', `driver=luks,key-secret=${secret},file.filename=${file}`, ...words]);
  return stdout + stderr;
}

export async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  await node.read(0, bytes, 0, bytes.length);
  return bytes;
}

export const load = (file: string): MemoryDisk => new MemoryDisk({ content: new Uint8Array(readFileSync(file)) });

export const save = (disk: MemoryDisk, file: string): void => {
  writeFileSync(file, disk.toBytes());
};
