// Images that ask for too much, or refer to themselves: an end in one line, within a second of the processor.
import { readFileSync, writeFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempDir, type TempDir } from '@blk/oracle';
import { Anatomy, type Damage } from './damage.js';
import { ours, type Ran } from './img-support.js';

const K = 4096;
const COPIED = 1n << 63n;
const SOON = 1000;

/** Damage that no command gets past: what all of them say. */
const REFUSED: Record<string, { readonly damage: Damage; readonly says: RegExp }> = {
  'an L1 table beyond the maximum': { damage: (i) => { i.put32(36, 0x7fff_ffff); }, says: /Active L1 table too large$/ },
  'a disk beyond the maximum': { damage: (i) => { i.put64(24, 1n << 62n); }, says: /Image is too big$/ },
  'a refcount table beyond the maximum': { damage: (i) => { i.put32(56, 0x7fff_ffff); }, says: /Reference count table too large$/ },
  'an L1 table too small for the disk': { damage: (i) => { i.put32(36, 1); }, says: /L1 table is too small$/ },
  'an L1 table at an odd place': { damage: (i) => { i.put64(40, K + 512); }, says: /Active L1 table offset invalid$/ },
  'an L1 table behind 2^53': { damage: (i) => { i.put64(40, 1n << 60n); }, says: /Active L1 table offset invalid$/ },
  'an extension longer than its header': { damage: (i) => { i.put32(112, 0x1234); i.put32(116, 0xffff_ff00); }, says: /Header extension too large$/ },
  'a name of the backing file longer than its header': { damage: (i) => { i.put64(8, 4000); i.put32(16, 1000); }, says: /Backing file name too long$/ },
  'clusters of 2 GiB': { damage: (i) => { i.put32(20, 31); }, says: /Unsupported cluster size: 2\^31$/ },
};

/** What those who want the data are told; a check finds more to say. */
const UNREADABLE: Record<string, { readonly damage: Damage; readonly says: RegExp }> = {
  'an L1 table larger than the file': { damage: (i) => { i.put32(36, 4_000_000); }, says: /Active L1 table reaches to \d+, beyond the end of the file at \d+$/ },
  'snapshots without number': { damage: (i) => { i.put32(60, 0xffff_ffff); }, says: /Snapshot table too large$/ },
  'a snapshot table larger than the file': { damage: (i) => { i.put32(60, 60_000); i.put64(64, i.l1); }, says: /napshot/ },
};

/** References in circles: there is something to read, and a check ends. */
const CIRCLES: Record<string, Damage> = {
  'an L1 table that is its own L2 table': (i) => { i.put64(i.l1, COPIED | BigInt(i.l1)); },
  'an L2 table that is its own data': (i) => { i.put64(i.l2, COPIED | BigInt(i.l2)); },
  'an L2 table that is all its own data': (i) => { for (let at = 0; at < K; at += 8) i.put64(i.l2 + at, COPIED | BigInt(i.l2)); },
  'a refcount block that is the refcount table': (i) => { i.put64(i.refcountTable, i.refcountTable); },
  'all refcount blocks in one place': (i) => { for (let at = 0; at < K; at += 8) i.put64(i.refcountTable + at, i.refcountBlock); },
  'a refcount table in the header': (i) => { i.put64(48, 0); },
  'an L1 table in the refcount table': (i) => { i.put64(40, i.refcountTable); },
};

describe('too much, or in circles', () => {
  let dir: TempDir;
  let base: Uint8Array;
  beforeAll(async () => {
    dir = tempDir();
    const file = dir.file('image');
    writeFileSync(dir.file('raw'), Buffer.alloc(4 << 20).fill(7, 0, 100_000));
    expect(await ours(['convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', dir.file('raw'), file])).toMatchObject({ code: 0, stderr: '' });
    base = new Uint8Array(readFileSync(file));
    // The commands are there, so that none of them pays for that.
    for (const words of commands()) await ours(words);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  const looks = (): string[][] => [
    ['info', '-f', 'qcow2', dir.file('image')], ['convert', '-f', 'qcow2', '-O', 'raw', dir.file('image'), dir.file('out')], ['map', '-f', 'qcow2', dir.file('image')],
    ['resize', '-f', 'qcow2', dir.file('image'), '5M'],
  ];
  const checks = (): string[][] => [['check', '-f', 'qcow2', dir.file('image')], ['check', '-f', 'qcow2', '-r', 'all', dir.file('image')]];
  const commands = (): string[][] => [...looks(), ...checks()];

  async function on(damage: Damage, words: readonly string[]): Promise<Ran> {
    const image = new Anatomy(base.slice());
    damage(image);
    writeFileSync(dir.file('image'), image.bytes);
    const begin = process.cpuUsage();
    const ran = await ours(words);
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1000, words.join(' ')).toBeLessThan(SOON);
    expect(ran.stderr).not.toMatch(/unexpected failure|^\s+at /m);
    return ran;
  }

  const oneLine = (ran: Ran, says: RegExp): void => {
    expect(ran.code).toBe(1);
    expect(ran.stderr.replace(/\n$/, '')).toMatch(new RegExp(`^qemu-img: [^\\n]*${says.source}`));
  };

  test.each(Object.entries(REFUSED))('%s', async (_name, { damage, says }) => {
    for (const words of commands()) oneLine(await on(damage, words), says);
  });

  test.each(Object.entries(UNREADABLE))('%s', async (_name, { damage, says }) => {
    for (const words of looks()) oneLine(await on(damage, words), says);
    const [look, repair] = checks();
    expect((await on(damage, look)).code).not.toBe(0);
    await on(damage, repair);
  });

  test.each(Object.entries(CIRCLES))('%s', async (_name, damage) => {
    for (const words of looks()) await on(damage, words);
    expect((await on(damage, ['check', '-f', 'qcow2', dir.file('image')])).code).toBe(2);
    await on(damage, ['check', '-f', 'qcow2', '-r', 'all', dir.file('image')]);
  });

  test('a compressed cluster that would come to a thousand times its size', async () => {
    const file = dir.file('bomb');
    expect(await ours(['create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', file, '2M'])).toMatchObject({ code: 0 });
    const bomb = deflateRawSync(Buffer.alloc(1 << 30), { level: 9 });
    const image = new Anatomy(new Uint8Array(readFileSync(file)));
    const cluster = 2 << 20;
    const end = Math.ceil(image.bytes.length / cluster) * cluster;
    const bytes = new Uint8Array(end + 2 * cluster);
    bytes.set(image.bytes);
    bytes.set(bomb, end + cluster);
    const made = new Anatomy(bytes);
    made.put64(made.l1, COPIED | BigInt(end));
    // Sectors lie above the offset's 62 - 13 bits.
    made.put64(end, (1n << 62n) | (BigInt(Math.ceil(bomb.length / 512) - 1) << 49n) | BigInt(end + cluster));
    writeFileSync(file, bytes);
    const begin = process.cpuUsage();
    const ran = await ours(['convert', '-f', 'qcow2', '-O', 'raw', file, dir.file('out')]);
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1000).toBeLessThan(SOON);
    // What fits into a cluster is its content, as it is for the reference.
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(dir.file('out')).equals(Buffer.alloc(cluster))).toBe(true);
  });
});
