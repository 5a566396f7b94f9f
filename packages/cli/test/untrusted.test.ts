// `--untrusted` and `--max-time`: with every command, what an image may not make the program do.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempDir, type TempDir } from '@blk/oracle';
import { COMMANDS } from '../src/img/all.js';
import { emptyFolder, ours, oursIn, twoSides } from './img-support.js';

/** Lines on an overlay, whose backing file is the image's own idea. */
const OVERLAY: Readonly<Record<string, readonly string[]>> = {
  bench: ['bench', '-c', '1', '-f', 'qcow2', 'top'],
  chain: ['chain', '-f', 'qcow2', 'top'],
  checksum: ['checksum', '-f', 'qcow2', 'top'],
  commit: ['commit', '-f', 'qcow2', 'top'],
  compare: ['compare', '-f', 'qcow2', '-F', 'raw', 'top', 'raw'],
  convert: ['convert', '-f', 'qcow2', 'top', 'out'],
  'convert -B': ['convert', '-f', 'raw', '-O', 'qcow2', '-B', 'base', '-F', 'raw', 'raw', 'out'],
  dd: ['dd', '-f', 'qcow2', 'if=top', 'of=out'],
  info: ['info', '-f', 'qcow2', '--backing-chain', 'top'],
  map: ['map', '-f', 'qcow2', 'top'],
  measure: ['measure', '-f', 'qcow2', 'top'],
  rebase: ['rebase', '-f', 'qcow2', '-b', 'base', '-F', 'raw', 'top'],
  // What is new could show the end of a longer one.
  resize: ['resize', '-f', 'qcow2', 'top', '3M'],
};
/** Lines that need no backing file, or none but the one that the caller names. */
const ALONE: Readonly<Record<string, readonly string[]>> = {
  bitmap: ['bitmap', '-f', 'qcow2', '--add', 'top', 'b'],
  create: ['create', '-q', '-f', 'qcow2', '-b', 'raw', '-F', 'raw', 'out'],
  info: ['info', '-f', 'qcow2', 'top'],
  rebase: ['rebase', '-u', '-f', 'qcow2', '-b', '', 'top'],
  snapshot: ['snapshot', '-c', 's', '--image-opts', 'driver=qcow2,file.filename=top'],
};
/** No images, or images whose repair is its own matter. */
const NEITHER = ['link', 'check', 'amend'];

describe('--untrusted', () => {
  let dir: TempDir;
  let files: string;
  beforeAll(async () => {
    dir = tempDir();
    files = emptyFolder(dir, 'files');
    writeFileSync(join(files, 'raw'), Buffer.alloc(1024 * 1024, 3));
    for (const name of ['base', 'secret']) writeFileSync(join(files, name), readFileSync(join(files, 'raw')));
    expect(await oursIn(['create', '-q', '-f', 'qcow2', '-b', 'secret', '-F', 'raw', 'top'], files)).toMatchObject({ code: 0 });
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  const run = (place: TempDir, [name, ...words]: readonly string[]): ReturnType<typeof ours> =>
    oursIn([name, '--untrusted', ...words], twoSides(place, files).mine, { calledAs: 'blk' });

  test('is tried with every command', () => {
    const tried = new Set([...Object.keys(OVERLAY), ...Object.keys(ALONE), ...NEITHER].map((name) => name.split(' ')[0]));
    expect(COMMANDS.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });

  test.each(Object.entries(OVERLAY))('%s follows no reference', async (_name, line) => {
    using place = tempDir();
    const ran = await run(place, line);
    expect(ran.code).toBe(line[0] === 'compare' ? 2 : 1);
    expect(ran.stderr).toMatch(/^blk: [^\n]*[Tt]he policy [^\n]*does not allow [^\n]*backing file '(secret|base)'\n$/);
    expect(existsSync(join(place.file('mine'), 'out'))).toBe(false);
  });

  test.each(Object.entries(ALONE))('%s does without', async (_name, line) => {
    using place = tempDir();
    expect(await run(place, line)).toMatchObject({ code: 0, stderr: '' });
  });

  test.each(['bench', 'chain', 'check', 'checksum', 'commit', 'compare', 'convert', 'info', 'map', 'measure', 'resize', 'bitmap', 'snapshot'])('%s guesses no format', async (name) => {
    using place = tempDir();
    const line: Readonly<Record<string, readonly string[]>> = {
      compare: ['raw', 'raw'], convert: ['raw', 'out'], resize: ['raw', '3M'], bitmap: ['--add', 'raw', 'b'], snapshot: ['-l', 'raw'],
    };
    const ran = await run(place, [name, ...(line[name] ?? ['raw'])]);
    expect(ran.code).toBe(name === 'compare' ? 2 : 1);
    expect(ran.stderr).toMatch(/^blk: [^\n]*The format of this image has to be named: guessing it is not allowed by the policy\n$/);
  });
});

describe('--max-time', () => {
  /** A small file whose tables show 64 TiB: every L2 table is the same one, which has every other cluster at the same place. */
  function endless(): Buffer {
    const cluster = 65536;
    const tables = 131_072;
    const l2 = 19 * cluster;
    const data = l2 + cluster;
    const image = Buffer.alloc(data + cluster, 7);
    image.fill(0, 0, data);
    image.write('QFI\xfb', 'latin1');
    image.writeUInt32BE(3, 4);
    image.writeUInt32BE(16, 20);
    image.writeBigUInt64BE(BigInt(tables) * 8192n * BigInt(cluster), 24);
    image.writeUInt32BE(tables, 36);
    image.writeBigUInt64BE(BigInt(3 * cluster), 40);
    image.writeBigUInt64BE(BigInt(cluster), 48);
    image.writeUInt32BE(1, 56);
    image.writeUInt32BE(4, 96);
    image.writeUInt32BE(104, 100);
    image.writeBigUInt64BE(BigInt(2 * cluster), cluster);
    for (let at = 0; at < image.length / cluster; at++) image.writeUInt16BE(1, 2 * cluster + at * 2);
    for (let at = 0; at < tables; at++) image.writeBigUInt64BE((1n << 63n) | BigInt(l2), 3 * cluster + at * 8);
    for (let at = 0; at < 8192; at += 2) image.writeBigUInt64BE((1n << 63n) | BigInt(data), l2 + at * 8);
    return image;
  }

  test.each([
    [['measure', '-f', 'qcow2', '-O', 'qcow2', 'IMAGE'], 1, ''],
    [['compare', '-f', 'qcow2', '-F', 'qcow2', 'IMAGE', 'IMAGE'], 2, ''],
    [['convert', '-f', 'qcow2', '-O', 'qcow2', '-r', '4M', 'IMAGE', 'OUT'], 1, ": the target 'OUT' is incomplete"],
  ])('%j gives up', async ([name, ...words], code, more) => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), endless());
    const named = (text: string): string => text.replace('IMAGE', dir.file('image')).replace('OUT', dir.file('out'));
    const ran = await ours([name, '--untrusted', '--max-time=1', ...words.map(named)], { calledAs: 'blk' });
    expect(ran).toEqual({ code, stdout: '', stderr: `blk: gave up after 1 seconds (--max-time)${named(more)}\n` });
  });

  test('refuses what is no time', async () => {
    expect(await ours(['info', '--max-time=x', 'a'], { calledAs: 'blk' })).toMatchObject({ code: 1, stderr: expect.stringContaining("Invalid --max-time: x\n") as string });
  });
});
