/** Failures at every event during random writes: what the image holds afterwards is what was written, and its metadata fits together. */
import { DEBUG_EVENTS, type BlockNode, type DebugEvent, type Definition } from '@blk/core-graph';
import { prng, type MemoryDisk } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { Bench } from './support.js';

const SIZE = 1 << 20;
const PIECE = 512;
/** A piece of the disk: values that reads may give, and values that may be found after the image was closed, however that went. */
interface Piece {
  seen: Set<number>;
  stored: Set<number>;
}

const tools = skipUnless('qemu-img');

describe('qcow2 with failures at every event', () => {
  it.skipIf(tools.skip)(tools.title('is never damaged, and loses nothing that was written'), async () => {
    using directory = tempDir();
    for (const [seed, event] of DEBUG_EVENTS.entries()) {
      for (const once of [true, false]) await tryEvent(event, once, seed * 2 + Number(once), join(directory.path, 'image.qcow2'));
    }
  });
});

async function tryEvent(event: DebugEvent, once: boolean, seed: number, file: string): Promise<void> {
  const bench = new Bench();
  const disk = await bench.create(SIZE, { cluster_size: 4096, refcount_bits: 64 });
  const model = Array.from({ length: SIZE / PIECE }, (): Piece => ({ seen: new Set([0]), stored: new Set([0]) }));
  // A first round without failures; in the second one, they come in the middle.
  await round(bench, disk, {}, seed, model);
  const state = once ? 1 : 2;
  const rules = { 'set-state': [{ event, state: 1, new_state: 2 }], 'inject-error': [{ event, state, once, errno: 28 }] };
  await round(bench, disk, rules, seed + 1000, model);
  writeFileSync(file, disk.toBytes());
  try {
    // Leaks are what failures may leave.
    const { code, stdout, stderr } = await qemuImg('check', '-f', 'qcow2', file);
    if (code !== 0 && code !== 3) throw new Error(`qemu-img check: ${code} ${stderr}${stdout}`);
    await compare(bench, disk, model);
  } catch (error) {
    throw new Error(`failures at ${event}, once: ${once}, seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}

async function round(bench: Bench, disk: MemoryDisk, rules: Definition, seed: number, model: Piece[]): Promise<void> {
  const random = prng(seed);
  const node = await bench.open(disk, rules).catch(() => undefined);
  if (node === undefined) return;
  for (let step = 0; step < 24; step++) {
    const first = random.below(model.length);
    const count = 1 + random.below(Math.min(48, model.length - first));
    const value = random.below(256);
    const kind = random.below(6);
    const change = (): unknown => {
      if (kind === 0) return node.flush();
      if (kind === 1) return node.writeZeroes(first * PIECE, count * PIECE);
      return node.write(first * PIECE, new Uint8Array(count * PIECE).fill(value), 0, count * PIECE);
    };
    const failed = await Promise.resolve().then(change).then(() => false, () => true);
    if (kind === 0) {
      if (!failed) settle(model);
      continue;
    }
    const now = kind === 1 ? 0 : value;
    for (const piece of model.slice(first, first + count)) {
      piece.seen = new Set(failed ? [...piece.seen, now] : [now]);
      piece.stored.add(now);
    }
  }
  const closed = await bench.graph.release(node).then(() => true, () => false);
  if (closed) settle(model);
}

function settle(model: readonly Piece[]): void {
  for (const piece of model) piece.stored = new Set(piece.seen);
}

async function compare(bench: Bench, disk: MemoryDisk, model: Piece[]): Promise<void> {
  const node = await bench.graph.open({ driver: 'qcow2', file: disk.definition }, { readOnly: true });
  const bytes = await readAll(node);
  await bench.graph.release(node);
  for (const [at, { stored }] of model.entries()) {
    if (!stored.has(bytes[at * PIECE])) throw new Error(`piece ${at} holds ${bytes[at * PIECE]} instead of ${[...stored].join(' or ')}`);
  }
}

async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  await node.read(0, bytes, 0, bytes.length);
  return bytes;
}
