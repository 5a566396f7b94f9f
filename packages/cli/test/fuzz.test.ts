// Damaged qcow2 images through every command that looks at one: an end in one line, soon, and never with a stack trace.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { prng, tempDir } from '@blk/oracle';
import { ours, type Ran } from './img-support.js';

const SEED = 20_270;
const ROUNDS = 150;
/** Milliseconds of the processor, so that a busy machine does not count. */
const SOON = 1000;

/** Whole numbers below `n` out of a generator of bytes. */
function below(random: { fill(bytes: Uint8Array): void }, n: number): number {
  const word = new Uint8Array(4);
  random.fill(word);
  return new DataView(word.buffer).getUint32(0) % n;
}

async function made(dir: { file(name: string): string }): Promise<Buffer[]> {
  const content = Buffer.alloc(3 * 1024 * 1024);
  prng(1).fill(content.subarray(100_000, 400_000));
  writeFileSync(dir.file('raw'), content);
  const images: Buffer[] = [];
  for (const options of [[], ['-c'], ['-o', 'cluster_size=512'], ['-o', 'compat=0.10,cluster_size=4k'], ['-o', 'refcount_bits=1,lazy_refcounts=on']]) {
    const ran = await ours(['convert', '-f', 'raw', '-O', 'qcow2', ...options, dir.file('raw'), dir.file('image')]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    images.push(readFileSync(dir.file('image')));
  }
  return images;
}

/** The image with a few bytes or words changed: in the header, its extensions, or the tables, which come first in the file. */
function damaged(image: Buffer, random: { fill(bytes: Uint8Array): void }): Buffer {
  const bytes = Buffer.from(image);
  for (let changes = 1 + below(random, 3); changes > 0; changes--) {
    const reach = below(random, 3) === 0 ? bytes.length : below(random, 2) === 0 ? 112 : Math.min(bytes.length, 1024);
    const at = below(random, reach);
    switch (below(random, 5)) {
      case 0:
        bytes[at] ^= 1 << below(random, 8);
        break;
      case 1:
        bytes.fill(0xff, at, at + 1 + below(random, 8));
        break;
      case 2:
        bytes.fill(0, at, at + 1 + below(random, 8));
        break;
      case 3:
        // A cluster's entry that points somewhere else.
        bytes.writeUInt32BE(below(random, bytes.length), at - (at % 4) + 4 > bytes.length ? 0 : at - (at % 4));
        break;
      default:
        random.fill(bytes.subarray(at, at + 1 + below(random, 8)));
    }
  }
  return below(random, 8) === 0 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
}

test('damaged images end in one line', async () => {
  using dir = tempDir();
  const images = await made(dir);
  const random = prng(SEED);
  const file = dir.file('damaged');
  const commands = [['info'], ['info', '--output=json'], ['check'], ['map', '--output=json'], ['measure', '-O', 'qcow2'], ['checksum'], ['convert', '-O', 'qcow2']];
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = damaged(images[round % images.length], random);
    writeFileSync(file, bytes);
    for (const [name, ...options] of commands) {
      const began = process.cpuUsage();
      const words = [name, '-f', 'qcow2', '--untrusted', ...options, file, ...(name === 'convert' ? [dir.file('out')] : [])];
      const ran = await ours(words, { calledAs: 'blk' });
      const { user, system } = process.cpuUsage(began);
      expect({ round, name, problem: problemOf(name, ran, (user + system) / 1000) }).toEqual({ round, name, problem: undefined });
    }
    expect(readFileSync(file).equals(bytes)).toBe(true);
  }
}, 120_000);

function problemOf(name: string, { code, stderr: all, stdout }: Ran, ms: number): string | undefined {
  // As the reference does, the driver tells by itself, once, that an image is corrupt.
  const stderr = all.replace(/^qcow2: Image is corrupt: .*\n/, '');
  const lines = stderr.split('\n').length - 1;
  if (stderr.includes('unexpected failure') || /\n\s+at /.test(stderr + stdout)) return stderr;
  if (ms > SOON) return `took ${ms} ms`;
  // What a check finds is told line by line, and warnings precede errors.
  const told = name === 'check' || (lines === 1) === (code === 1) || (code === 0 && /^(blk: )?warning/i.test(stderr));
  if (!told) return `code ${code}, ${lines} lines: ${stderr}`;
  return name === 'check' ? ([0, 1, 2, 3].includes(code) ? undefined : `code ${code}`) : code === 0 || code === 1 ? undefined : `code ${code}`;
}
