// Damaged images through every command that looks at one, or changes one: an end in one line, soon, and never with a stack trace.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prng, run, tempDir } from '@blk/oracle';
import { buildProgram } from '../bundle.mjs';
import { ours, type Ran } from './img-support.js';

const sweep = process.env['BLK_SWEEP'] === '1';
const SEED = sweep ? Number(process.env['BLK_SEED'] ?? 1) : 20_270;
const MORE = sweep ? 8 : 1;
/** Milliseconds of the processor, so that a busy machine does not count. */
const SOON = 1000;
const SECRET = ['--object', 'secret,id=s,data=pw'];
/** More iterations than this take their time, which a header may ask for. */
const MANY_ITERATIONS = 100_000;

type Random = ReturnType<typeof prng>;

interface Kind {
  readonly format: string;
  readonly images: (dir: { file(name: string): string }) => Promise<Buffer[]>;
  readonly rounds: number;
  /** Bytes from the start that most damage hits. */
  readonly head: number;
  /** Words around the file, which `FILE` and `OUT` stand for. */
  readonly commands: readonly string[][];
}

const made = async (...words: string[]): Promise<void> => {
  expect(await ours(words)).toMatchObject({ code: 0, stderr: '' });
};

async function qcow2Images(dir: { file(name: string): string }): Promise<Buffer[]> {
  const content = Buffer.alloc(3 * 1024 * 1024);
  prng(1).fill(content.subarray(100_000, 400_000));
  writeFileSync(dir.file('raw'), content);
  const images: Buffer[] = [];
  const options = [[], ['-c'], ['-o', 'cluster_size=512'], ['-o', 'compat=0.10,cluster_size=4k'], ['-o', 'refcount_bits=1,lazy_refcounts=on'], ['-c', '-o', 'compression_type=zstd']];
  for (const words of options) {
    await made('convert', '-f', 'raw', '-O', 'qcow2', ...words, dir.file('raw'), dir.file('image'));
    images.push(readFileSync(dir.file('image')));
  }
  await made('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', dir.file('raw'), dir.file('image'));
  await made('snapshot', '-c', 'one', dir.file('image'));
  await made('bitmap', '--add', '-g', '4k', dir.file('image'), 'b');
  await made('snapshot', '-c', 'two', dir.file('image'));
  images.push(readFileSync(dir.file('image')));
  return images;
}

const QCOW2_LOOKS = [
  ['info', '-f', 'qcow2', 'FILE'], ['info', '-f', 'qcow2', '--output=json', 'FILE'], ['check', '-f', 'qcow2', 'FILE'], ['map', '-f', 'qcow2', '--output=json', 'FILE'],
  ['measure', '-f', 'qcow2', '-O', 'qcow2', 'FILE'], ['checksum', '-f', 'qcow2', 'FILE'], ['convert', '-f', 'qcow2', '-O', 'qcow2', 'FILE', 'OUT'],
  ['chain', '-f', 'qcow2', 'FILE'], ['snapshot', '--image-opts', '-l', 'driver=qcow2,file.filename=FILE'],
];
const QCOW2_CHANGES = [
  ['check', '-f', 'qcow2', '-r', 'all', 'FILE'], ['resize', '-f', 'qcow2', 'FILE', '5M'], ['resize', '-f', 'qcow2', '--shrink', 'FILE', '1M'],
  ['snapshot', '--image-opts', '-c', 'new', 'driver=qcow2,file.filename=FILE'], ['snapshot', '--image-opts', '-a', 'one', 'driver=qcow2,file.filename=FILE'],
  ['snapshot', '--image-opts', '-d', 'one', 'driver=qcow2,file.filename=FILE'], ['bitmap', '-f', 'qcow2', '--add', 'FILE', 'c'], ['bitmap', '-f', 'qcow2', '--remove', 'FILE', 'b'],
  ['rebase', '-f', 'qcow2', '-u', '-b', '', 'FILE'], ['commit', '-f', 'qcow2', 'FILE'], ['convert', '-f', 'qcow2', '--salvage', '-q', '-O', 'raw', 'FILE', 'OUT'],
  ['convert', '-f', 'raw', '-n', '-O', 'qcow2', 'SOURCE', 'FILE'],
];

const KINDS: readonly Kind[] = [
  { format: 'qcow2', images: qcow2Images, rounds: 110, head: 1024, commands: QCOW2_LOOKS },
  { format: 'qcow2', images: qcow2Images, rounds: 70, head: 1024, commands: QCOW2_CHANGES },
  {
    format: 'luks',
    async images(dir) {
      await made('create', '-q', '-f', 'luks', ...SECRET, '-o', 'key-secret=s,iter-time=10', dir.file('image'), '1M');
      return [readFileSync(dir.file('image'))];
    },
    rounds: 60,
    head: 592,
    commands: [
      ['info', '-f', 'luks', 'FILE'], ['map', '-f', 'luks', 'FILE'], ['measure', '-f', 'luks', 'FILE'], ['check', '-f', 'luks', 'FILE'],
      ['info', ...SECRET, '--image-opts', 'driver=luks,key-secret=s,file.filename=FILE'],
      ['convert', ...SECRET, '--image-opts', 'driver=luks,key-secret=s,file.filename=FILE', 'OUT'],
    ],
  },
  {
    format: 'vpc',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'vpc', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 40,
    head: 1600,
    commands: [
      ['info', '-f', 'vpc', 'FILE'], ['map', '-f', 'vpc', 'FILE'], ['check', '-f', 'vpc', 'FILE'], ['convert', '-f', 'vpc', '-O', 'qcow2', 'FILE', 'OUT'],
    ],
  },
  {
    format: 'vhdx',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'vhdx', '-o', 'block_size=1M', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 25,
    head: 4_300_000,
    commands: [
      ['info', '-f', 'vhdx', 'FILE'], ['map', '-f', 'vhdx', 'FILE'], ['check', '-f', 'vhdx', 'FILE'], ['convert', '-f', 'vhdx', '-O', 'qcow2', 'FILE', 'OUT'],
    ],
  },
  {
    format: 'vdi',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'vdi', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 40,
    head: 600,
    commands: [
      ['info', '-f', 'vdi', 'FILE'], ['map', '-f', 'vdi', 'FILE'], ['check', '-f', 'vdi', 'FILE'], ['convert', '-f', 'vdi', '-O', 'qcow2', 'FILE', 'OUT'],
      ['check', '-f', 'vdi', '-r', 'all', 'FILE'],
    ],
  },
  {
    format: 'parallels',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'parallels', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 40,
    head: 80,
    commands: [
      ['info', '-f', 'parallels', 'FILE'], ['map', '-f', 'parallels', 'FILE'], ['check', '-f', 'parallels', 'FILE'],
      ['convert', '-f', 'parallels', '-O', 'qcow2', 'FILE', 'OUT'], ['check', '-f', 'parallels', '-r', 'all', 'FILE'],
    ],
  },
  {
    format: 'qed',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'qed', '-o', 'cluster_size=4096', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 40,
    head: 64,
    commands: [
      ['info', '-f', 'qed', 'FILE'], ['map', '-f', 'qed', 'FILE'], ['check', '-f', 'qed', 'FILE'], ['convert', '-f', 'qed', '-O', 'qcow2', 'FILE', 'OUT'],
      ['check', '-f', 'qed', '-r', 'all', 'FILE'],
    ],
  },
  {
    format: 'qcow',
    async images(dir) {
      writeFileSync(dir.file('raw'), Buffer.alloc(3 << 20).fill(7, 1 << 20, 2 << 20));
      await made('convert', '-f', 'raw', '-O', 'qcow', dir.file('raw'), dir.file('image'));
      return [readFileSync(dir.file('image'))];
    },
    rounds: 40,
    head: 80,
    commands: [['info', '-f', 'qcow', 'FILE'], ['map', '-f', 'qcow', 'FILE'], ['convert', '-f', 'qcow', '-O', 'qcow2', 'FILE', 'OUT']],
  },
  {
    format: 'raw',
    images: () => Promise.resolve([Buffer.alloc(70_000, 7), Buffer.alloc(0), Buffer.alloc(1)]),
    rounds: 20,
    head: 1024,
    commands: [
      ['info', '-f', 'raw', 'FILE'], ['map', '-f', 'raw', 'FILE'], ['measure', '-f', 'raw', 'FILE'], ['check', '-f', 'raw', 'FILE'], ['checksum', '-f', 'raw', 'FILE'],
      ['convert', '-f', 'raw', '-O', 'qcow2', 'FILE', 'OUT'],
    ],
  },
];

/** The image with a few bytes or words changed: in the header, its extensions, or the tables, which come first in the file. */
function damaged(image: Buffer, head: number, random: Random): Buffer {
  const bytes = Buffer.from(image);
  for (let changes = bytes.length === 0 ? 0 : 1 + random.below(3); changes > 0; changes--) {
    const reach = Math.min(bytes.length, random.below(3) === 0 ? bytes.length : random.below(2) === 0 ? 112 : head);
    const at = random.below(reach);
    switch (random.below(5)) {
      case 0:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        bytes.subarray(at, at + 1 + random.below(8)).fill(0xff);
        break;
      case 2:
        bytes.subarray(at, at + 1 + random.below(8)).fill(0);
        break;
      case 3:
        // A cluster's entry that points somewhere else.
        if (at - (at % 4) + 4 <= bytes.length) bytes.writeUInt32BE(random.below(bytes.length), at - (at % 4));
        break;
      default:
        random.fill(bytes.subarray(at, at + 1 + random.below(8)));
    }
  }
  return bytes.length > 0 && random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

test.each(KINDS.map((kind) => [kind.format, kind.commands[0][0], kind] as const))('damaged %s images end in one line: %s and more', async (format, _first, kind) => {
  using dir = tempDir();
  const images = await kind.images(dir);
  writeFileSync(dir.file('source'), Buffer.alloc(1024 * 1024, 5));
  const random = prng(SEED);
  const file = dir.file('damaged');
  const changes = kind.commands === QCOW2_CHANGES || kind.commands.some((words) => words.includes('-r'));
  for (let round = 0; round < kind.rounds * MORE; round++) {
    const bytes = damaged(images[round % images.length], kind.head, random);
    writeFileSync(file, bytes);
    for (const command of kind.commands) {
      if (changes) writeFileSync(file, bytes);
      const words = command.map((word) => word.replace('FILE', file).replace('OUT', dir.file('out')).replace('SOURCE', dir.file('source')));
      const began = process.cpuUsage();
      const ran = await ours([words[0], '--untrusted', ...words.slice(1)], { calledAs: 'blk' });
      const { user, system } = process.cpuUsage(began);
      const asked = format === 'luks' && bytes.length >= 592 && iterations(bytes) > MANY_ITERATIONS;
      const problem = problemOf(words[0], ran, asked ? 0 : (user + system) / 1000);
      expect({ round, command: command.join(' '), problem }).toEqual({ round, command: command.join(' '), problem: undefined });
    }
    if (!changes) expect(readFileSync(file).equals(bytes)).toBe(true);
  }
}, sweep ? 1_200_000 : 120_000);

/** What the slots of a LUKS header that are in use, and its digest, ask for together. */
function iterations(header: Buffer): number {
  let total = header.readUInt32BE(164);
  for (let slot = 208; slot < 592; slot += 48) if (header.readUInt32BE(slot) === 0x00ac71f3) total += header.readUInt32BE(slot + 4);
  return total;
}

function problemOf(name: string, { code, stderr: all, stdout }: Ran, ms: number): string | undefined {
  // As the reference does, the driver tells by itself, once, that an image is corrupt.
  const stderr = all.replace(/^qcow2: (Image is corrupt|Marking image as corrupt): .*\n/, '');
  const lines = stderr.split('\n').length - 1;
  if (stderr.includes('unexpected failure') || /\n\s+at /.test(stderr + stdout)) return stderr;
  // Building new refcount tables takes longer than finding out that they are needed.
  if (ms > (name === 'check' ? 4 * SOON : SOON)) return `took ${ms} ms`;
  // What a check finds is told line by line, warnings precede errors, and the reference has a few errors of two lines.
  const last = stderr.split('\n').filter((line) => !/^(blk: )?warning/i.test(line)).length - 1;
  const told = name === 'check' || (code === 1 ? last === 1 || (last === 2 && /\n(Is another|Could not open|Try)/.test(stderr)) : last === 0 || lines === 0);
  if (!told) return `code ${code}, ${lines} lines: ${stderr}`;
  return name === 'check' ? ([0, 1, 2, 3, 63].includes(code) ? undefined : `code ${code}`) : code === 0 || code === 1 ? undefined : `code ${code}`;
}

test('the same of the built program, by a few of them', async () => {
  using dir = tempDir();
  await buildProgram();
  const images = await qcow2Images(dir);
  const random = prng(SEED + 1);
  const program = join(import.meta.dirname, '../dist/blk.cjs');
  for (let round = 0; round < 6; round++) {
    writeFileSync(dir.file('first'), damaged(images[round % images.length], 1024, random));
    for (const words of [['info'], ['check'], ['map'], ['convert', '-O', 'raw']]) {
      copyFileSync(dir.file('first'), dir.file('damaged'));
      const line = [words[0], '-f', 'qcow2', '--untrusted', ...words.slice(1), dir.file('damaged'), ...(words[0] === 'convert' ? [dir.file('out')] : [])];
      const ran = await run(process.execPath, [program, ...line]);
      expect({ round, line, problem: problemOf(words[0], ran, 0) }).toEqual({ round, line, problem: undefined });
    }
  }
});

