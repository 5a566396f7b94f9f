/** Images in memory for the tests: opened, changed, looked at, and handed to the reference tools as files. */
import { writeFileSync, readFileSync } from 'node:fs';
import { BlockGraph, TRUSTED, type BlockNode, type Completion, type ImagePolicy } from '@blk/core-graph';
import { SecretStore } from '@blk/crypto';
import { MemoryDisk, MemoryDisks } from '@blk/driver-conformance';
import { qemuImg } from '@blk/oracle';
import { qcow2 } from '../src/index.js';

const store = new SecretStore();
/** `sec0` opens the encrypted images of the tests, `new` may be added, `wrong` opens none. */
export const SECRETS = { sec0: 'letmein', new: 'changed, and longer', wrong: 'hunter2' } as const;
for (const [id, text] of Object.entries(SECRETS)) store.add(id, Buffer.from(text));
export const secrets = store.lookup;

/** A graph, its disks, and the image `memory:image` in it. */
export class Bench {
  readonly disks = new MemoryDisks();
  readonly graph: BlockGraph;
  readonly warnings: string[] = [];

  constructor(policy: ImagePolicy = TRUSTED) {
    this.graph = new BlockGraph({
      drivers: [this.disks.driver, qcow2],
      policy,
      secrets,
      host: { warn: (message) => this.warnings.push(message) },
    });
  }

  async create(size: number, options: Record<string, unknown> = {}, name = 'image'): Promise<MemoryDisk> {
    await this.graph.create(`memory:${name}`, { format: 'qcow2', size, options, unsafe: true });
    return this.disks.get(name);
  }

  open(disk: MemoryDisk, options: Record<string, unknown> = {}, readOnly = false): Promise<BlockNode> {
    return this.graph.open({ driver: 'qcow2', file: disk.definition, discard: 'unmap', ...options }, { readOnly });
  }
}

/** Waits for a completion. */
export async function done(completion: Completion): Promise<void> {
  if (completion !== undefined) await completion;
}

export async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  if (bytes.length > 0) await done(node.read(0, bytes, 0, bytes.length));
  return bytes;
}

export async function write(node: BlockNode, offset: number, bytes: Uint8Array, flags = 0): Promise<void> {
  await done(node.write(offset, bytes, 0, bytes.length, flags));
}

/**
 * Puts `bytes`, whole clusters of `clusterSize`, at `offset` past the image's own writing (`takePlace`): those that `keep` wants. Returns how many
 * bytes from the front that was about; 0 where there was no place to be had.
 */
export async function fillPlace(node: BlockNode, offset: number, bytes: Uint8Array, clusterSize: number, keep: (cluster: number) => boolean): Promise<number> {
  const place = await node.driver.takePlace?.(offset, bytes.length, clusterSize);
  if (place === undefined) return 0;
  node.wrote(offset + place.length);
  const stored: { at: number; length: number }[] = [];
  let to = place.offset;
  for (let at = 0; at < place.length; at += clusterSize) {
    if (!keep(at / clusterSize)) continue;
    await done(place.node.write(to, bytes, at, clusterSize));
    to += clusterSize;
    const last = stored[stored.length - 1];
    if (last !== undefined && last.at + last.length === at) last.length += clusterSize;
    else stored.push({ at, length: clusterSize });
  }
  await place.settle(stored);
  return place.length;
}

/** `--object` of the reference tools for these secrets. */
export const SECRET_OBJECTS = Object.entries(SECRETS).flatMap(([id, text]) => ['--object', `secret,id=${id},data=${text.replaceAll(',', ',,')}`]);

/**
 * Throws what `qemu-img check` says where it finds corruption, or leaks too unless they are allowed. `data`: the external
 * data file, where it is not the recorded one; `secret`: id of the secret that opens the image.
 */
export async function checkImage(file: string, leaksAllowed = false, data?: string, secret?: string): Promise<void> {
  const key = secret === undefined ? '' : `,encrypt.key-secret=${secret}`;
  const image =
    data === undefined && secret === undefined
      ? ['-f', 'qcow2', file]
      : [...SECRET_OBJECTS, '--image-opts', `${data === undefined ? `driver=qcow2,file.filename=${file}` : imageWithData(file, data)}${key}`];
  const { code, stdout, stderr } = await qemuImg('check', ...image);
  if (code === 0 || (leaksAllowed && code === 3)) return;
  throw new Error(`qemu-img check: exit code ${code}\n${stderr.slice(0, 2000)}${stdout.slice(0, 2000)}`);
}

/** Throws where the reference reads other bytes from the image (with its data file) than `expected`. */
export async function compareWith(file: string, expected: Uint8Array, data?: string): Promise<void> {
  writeFileSync(`${file}.raw`, expected);
  const images =
    data === undefined
      ? ['-f', 'qcow2', '-F', 'raw', file, `${file}.raw`]
      : ['--image-opts', imageWithData(file, data), `driver=raw,file.filename=${file}.raw`];
  const { code, stdout, stderr } = await qemuImg('compare', ...images);
  if (code !== 0) throw new Error(`qemu-img compare: exit code ${code}\n${stderr}${stdout}`);
}

function imageWithData(file: string, data: string): string {
  return `driver=qcow2,file.filename=${file},data-file.driver=file,data-file.filename=${data}`;
}

export function save(disk: MemoryDisk, file: string): void {
  writeFileSync(file, disk.toBytes());
}

export function load(file: string): MemoryDisk {
  return new MemoryDisk({ content: new Uint8Array(readFileSync(file)) });
}
