// Options of every kind together: images of the reference are read right, and ours, whatever was done to them, are whole for it.
// BLK_SWEEP=1 with BLK_SEED=first and BLK_COUNT=how-many tries other seeds than the ones below.
import { readFileSync } from 'node:fs';
import { showSnapshot } from '@blk/core-graph';
import { expectSameBytes, prng, type MemoryDisk } from '@blk/driver-conformance';
import { qemuImg, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { combinationOf, commandsOf, mostSnapshots, mutate, type Combination, type Subject } from './combinations.js';
import { Bench, load, readAll, save, SECRETS, write } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const sweep = process.env['BLK_SWEEP'] === '1';
const FIRST = sweep ? Number(process.env['BLK_SEED'] ?? 1) : 1;
const COUNT = sweep ? Number(process.env['BLK_COUNT'] ?? 200) : 12;
/** Milliseconds; keys take long to derive on a busy machine. */
const TIMEOUT = 60_000;
const OBJECT = ['--object', `secret,id=sec0,data=${SECRETS.sec0}`];

/** The files of one combination as the reference finds them. */
class Files {
  readonly image: string;
  readonly data: string;
  readonly base: string;

  constructor(
    dir: TempDir,
    private readonly combination: Combination,
  ) {
    this.image = dir.file('image');
    this.data = dir.file('data');
    this.base = dir.file('base');
  }

  /** Everything by name, so that names in the image do not matter. */
  get options(): string {
    const { encryption, data, backing } = this.combination;
    return [
      `driver=qcow2,file.filename=${this.image}`,
      ...(encryption === 'none' ? [] : ['encrypt.key-secret=sec0']),
      ...(data === 'inside' ? [] : [`data-file.driver=file,data-file.filename=${this.data}`]),
      ...(backing === 0 ? [] : [`backing.driver=qcow2,backing.file.filename=${this.base}`]),
    ].join(',');
  }

  async img(verb: string, ...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await qemuImg(verb, ...OBJECT, ...words);
    if (code !== 0) throw new Error(`qemu-img ${verb} ${words.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  async content(...words: string[]): Promise<Uint8Array> {
    await this.img('convert', '--image-opts', ...words, '-O', 'raw', this.options, `${this.image}.out`);
    return new Uint8Array(readFileSync(`${this.image}.out`));
  }

  /** Makes the image as the combination says, and fills it with commands of qemu-io. */
  async make(commands: readonly string[]): Promise<void> {
    const { options, data, backing, encryption, size } = this.combination;
    const words = Object.entries(options).map(([key, value]) => `${key}=${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`);
    if (data !== 'inside') words.push(`data_file=${this.data}`, `data_file_raw=${data === 'raw' ? 'on' : 'off'}`);
    const file = [...(backing === 0 ? [] : ['-b', this.base, '-F', 'qcow2']), this.image, String(size)];
    for (let tries = 0; ; tries++) {
      // It measures key derivation, and gives up where the machine is busy; longer measuring gives up less.
      const keys = encryption === 'luks' ? [`encrypt.iter-time=${20 * 2 ** (tries % 6)}`] : [];
      const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', ...OBJECT, '-o', [...words, ...keys].join(','), ...file);
      if (code === 0) break;
      if (tries === 30 || !stderr.includes('Unable to get accurate CPU usage')) throw new Error(`qemu-img create -o ${words.join(',')}: ${stderr}`);
    }
    await this.write(commands);
  }

  async write(commands: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await run('qemu-io', [...OBJECT, '-d', 'unmap', '--image-opts', this.options, ...commands.flatMap((command) => ['-c', command])]);
    if (code !== 0) throw new Error(`qemu-io ${commands.join('; ')}: ${stderr}${stdout}`);
  }
}

/** The backing file, what it holds, and how ours is opened with it. */
async function baseOf({ seed, backing }: Combination, bench: Bench, files: Files): Promise<{ readonly base: Uint8Array; readonly open: Record<string, unknown> }> {
  const base = prng(seed + 7).bytes(backing);
  if (backing === 0) return { base, open: {} };
  base.fill(0, Math.floor(backing / 3), Math.floor(backing / 2));
  const disk = await bench.create(backing, {}, 'base');
  const node = await bench.open(disk);
  await write(node, 0, base);
  await bench.graph.release(node);
  save(disk, files.base);
  return { base, open: { backing: { driver: 'qcow2', file: disk.definition } } };
}

/** Ours is whole for the reference, which reads the same from it and from its snapshots. */
async function judge(subject: Subject, files: Files, data: MemoryDisk | undefined): Promise<void> {
  const { disk, model, snapshots, combination } = subject;
  save(disk, files.image);
  if (data !== undefined) save(data, files.data);
  expect(await files.img('check', '--image-opts', files.options)).toContain('No errors were found on the image.');
  expectSameBytes(await files.content(), model);
  for (const [name, bytes] of snapshots) {
    // It shows no more of a snapshot than the disk is long.
    expectSameBytes((await files.content('-l', name)).subarray(0, bytes.length), bytes.subarray(0, model.length));
  }
  if (data === undefined || combination.data !== 'raw' || combination.encryption !== 'none') return;
  // The file may end where the last cluster does.
  const padded = new Uint8Array(data.size);
  padded.set(model);
  expectSameBytes(data.toBytes(), padded);
}

describe.skipIf(oracle.skip)(oracle.title('combinations of options'), () => {
  const seeds = Array.from({ length: COUNT }, (_, index) => FIRST + index);

  test.each(seeds)('made by the reference, seed %i', async (seed) => {
    using dir = tempDir();
    const combination = combinationOf(seed);
    const files = new Files(dir, combination);
    const bench = new Bench();
    const { base, open: backed } = await baseOf(combination, bench, files);
    const random = prng(seed);
    await files.make(commandsOf(combination, random, 10));
    const snapshots = new Map<string, Uint8Array>();
    if (mostSnapshots(combination) > 0) {
      await files.img('snapshot', '-c', 'theirs', ...(combination.encryption === 'none' ? [files.image] : ['--image-opts', files.options]));
      snapshots.set('theirs', await files.content());
      await files.write(commandsOf({ ...combination, compresses: false }, random, 8));
    }
    const model = await files.content();
    const disk = load(files.image);
    const data = combination.data === 'inside' ? undefined : load(files.data);
    const open = openingOf(combination, backed, data);
    const node = await bench.open(disk, open, true);
    expectSameBytes(await readAll(node), model);
    if (snapshots.size > 0) {
      await showSnapshot(node, node.driver.snapshots?.list[0]?.id ?? '');
      expectSameBytes(await readAll(node), snapshots.get('theirs') as Uint8Array);
    }
    await bench.graph.release(node);
    const subject = { bench, disk, combination, open, base, model, snapshots };
    await mutate(subject, 2);
    await judge(subject, files, data);
  }, TIMEOUT);

  test.each(seeds)('made here, seed %i', async (seed) => {
    using dir = tempDir();
    const combination = combinationOf(seed);
    const files = new Files(dir, combination);
    const bench = new Bench();
    const { base, open: backed } = await baseOf(combination, bench, files);
    const { options, size, encryption } = combination;
    const disk = await bench.create(size, {
      ...options,
      ...(encryption === 'luks' ? { 'encrypt.iter-time': 0 } : {}),
      ...(combination.backing === 0 ? {} : { backing_file: files.base, backing_fmt: 'qcow2' }),
      ...(combination.data === 'inside' ? {} : { data_file: 'memory:data', data_file_raw: combination.data === 'raw' }),
    });
    const data = combination.data === 'inside' ? undefined : bench.disks.get('data');
    const model = new Uint8Array(size);
    model.set(base.subarray(0, size));
    const subject: Subject = { bench, disk, combination, open: openingOf(combination, backed, data), base, model, snapshots: new Map() };
    await mutate(subject, 4);
    await judge(subject, files, data);
    // What the reference goes on to write is read right again.
    await files.write(commandsOf({ ...combination, size: subject.model.length, compresses: false }, prng(seed), 6));
    const theirs = await files.content();
    const node = await bench.open(load(files.image), openingOf(combination, backed, data === undefined ? undefined : load(files.data)), true);
    expectSameBytes(await readAll(node), theirs);
    await bench.graph.release(node);
  }, TIMEOUT);
});

function openingOf({ encryption }: Combination, backed: Record<string, unknown>, data: MemoryDisk | undefined): Record<string, unknown> {
  return {
    ...backed,
    ...(encryption === 'none' ? {} : { encrypt: { 'key-secret': 'sec0' } }),
    ...(data === undefined ? {} : { 'data-file': data.definition }),
  };
}
