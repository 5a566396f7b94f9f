// The server killed at random moments under random writes: what was flushed is there, and the image has no corruption.
import { closeSync, openSync, readSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir, type Prng } from '@blk/oracle';
import { NbdTestClient, startDaemon } from '../src/index.js';

const BLOCK = 4096;
const SIZE = 64 * 1024 * 1024;
const BLOCKS = SIZE / BLOCK;
const ZEROES = Buffer.alloc(BLOCK);
const ROUNDS = Number(process.env['BLK_KILL_ROUNDS'] ?? 200);

const needs = skipUnless('qemu-img');

describe.skipIf(needs.skip)(needs.title('SIGKILL under a random write load'), () => {
  test(`${ROUNDS} times: the image opens, is not corrupt, and holds everything that was flushed`, { timeout: 900_000 }, async () => {
    using dir = tempDir();
    const random = prng(20_240_401);
    let image = '';
    let model = new Model();
    for (let round = 0; round < ROUNDS; round++) {
      // A fresh image now and then: allocation, growth of the tables and overwriting all get their share of the kills.
      if (round % 10 === 0) {
        image = dir.file(`disk-${round}.qcow2`);
        const cluster = [512, 4096, 65536, 2_097_152][(round / 10) % 4];
        const lazy = (round / 10) % 3 === 2 ? 'on' : 'off';
        expect((await qemuImg('create', '-f', 'qcow2', '-o', `cluster_size=${cluster},lazy_refcounts=${lazy}`, image, String(SIZE))).code).toBe(0);
        model = new Model();
      }
      await oneLife(image, dir.file(`s${round}`), model, random);
      await examine(image, model, round);
    }
  });
});

/** For every block, the versions that it may hold: what was flushed last, and what was written since. Version 0 is zeroes. */
class Model {
  readonly versions = Array.from({ length: BLOCKS }, () => new Set([0]));
  /** Versions that were written as zeroes. */
  readonly zeroes = new Set([0]);
  #next = 1;

  version(): number {
    return this.#next++;
  }
  /** After a flush: of the writes completed before it began, only the last can be there. */
  settle(completed: ReadonlyMap<number, number>): void {
    for (const [block, version] of completed) {
      const later = [...(this.versions[block])].filter((other) => other > version);
      this.versions[block] = new Set([version, ...later]);
    }
  }
}

async function oneLife(image: string, socket: string, model: Model, random: Prng): Promise<void> {
  const daemon = await startDaemon({
    args: [
      '--blockdev', `driver=qcow2,node-name=disk,discard=unmap,file.driver=file,file.filename=${image}`,
      '--nbd-server', `addr.type=unix,addr.path=${socket}`,
      '--export', 'type=nbd,id=e,node-name=disk,name=disk,writable=on',
    ],
    ready: socket,
  });
  const client = await NbdTestClient.connect(socket, 'disk');
  const kill = setTimeout(() => { daemon.process.kill('SIGKILL'); }, 1 + random.below(120));
  const completed = new Map<number, number>();
  const workers = Array.from({ length: 4 }, (_, lane) => work(client, lane, model, completed, random));
  await Promise.all(workers);
  clearTimeout(kill);
  await daemon.exited;
  client.destroy();
}

/** Random writes, zeroes and flushes until the connection breaks. Lanes own every fourth block: no two writes overlap. */
async function work(client: NbdTestClient, lane: number, model: Model, completed: Map<number, number>, random: Prng): Promise<void> {
  try {
    for (;;) {
      const action = random.below(20);
      if (action === 0) {
        const before = new Map(completed);
        await client.flush();
        model.settle(before);
        continue;
      }
      const block = random.below(BLOCKS / 4) * 4 + lane;
      const version = model.version();
      (model.versions[block]).add(version);
      if (action === 1) {
        model.zeroes.add(version);
        await client.writeZeroes(block * BLOCK, BLOCK);
      } else {
        await client.write(block * BLOCK, content(block, version));
      }
      completed.set(block, version);
    }
  } catch (error) {
    if (!/connection closed/.test((error as Error).message)) throw error;
  }
}

function content(block: number, version: number): Buffer {
  const words = Buffer.alloc(8);
  words.writeUInt32LE(block, 0);
  words.writeUInt32LE(version, 4);
  return Buffer.alloc(BLOCK, words);
}

async function examine(image: string, model: Model, round: number): Promise<void> {
  const check = await qemuImg('check', '--output=json', image);
  const report = JSON.parse(check.stdout) as { corruptions?: number; 'check-errors': number };
  expect(report['check-errors'], `round ${round}: ${check.stderr}`).toBe(0);
  // With lazy refcounts a dirty image may count too low; its dirty bit says so, and opening it repairs that.
  if (!/lazy/.test(check.stderr) && !(await isDirty(image))) expect(report.corruptions ?? 0, `round ${round}: ${check.stderr}`).toBe(0);
  const raw = `${image}.raw`;
  const converted = await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', image, raw);
  expect(converted, `round ${round}`).toMatchObject({ code: 0 });
  verify(raw, model, round);
}

async function isDirty(image: string): Promise<boolean> {
  const info = JSON.parse((await qemuImg('info', '--output=json', image)).stdout) as { 'dirty-flag'?: boolean };
  return info['dirty-flag'] === true;
}

function verify(raw: string, model: Model, round: number): void {
  const fd = openSync(raw, 'r');
  const data = Buffer.alloc(BLOCK);
  try {
    for (let block = 0; block < BLOCKS; block++) {
      readSync(fd, data, 0, BLOCK, block * BLOCK);
      const allowed = model.versions[block];
      const written = data.readUInt32LE(4);
      const found = data.equals(ZEROES)
        ? [...allowed].filter((version) => model.zeroes.has(version)).at(-1)
        : allowed.has(written) && data.equals(content(block, written)) ? written : undefined;
      if (found === undefined) {
        throw new Error(`round ${round}: block ${block} begins ${data.toString('hex', 0, 16)}, allowed versions: ${[...allowed].join(', ')}`);
      }
      // What survived is what the next life starts from.
      model.versions[block] = new Set([found]);
    }
  } finally {
    closeSync(fd);
  }
}
