// QED of every size of tables and clusters: written around the bounds of clusters and tables by both programs in turn, and read by both.
import { closeSync, openSync, readSync } from 'node:fs';
import { prng, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { ours } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const CLUSTERS = [12, 16, 20, 22].map((bits) => 2 ** bits);
const SIZES = [...CLUSTERS.flatMap((cluster) => [1, 2, 4, 8, 16].map((table) => [cluster, table] as const)), [2 ** 23, 2], [2 ** 26, 1], [2 ** 26, 16]] as const;
const SECTOR = 512;
const LARGEST = 2 ** 52;

/** What each sector holds that was written, by its offset. */
type Model = Map<number, number>;

/** Writes and zeroes that reach over the bounds of clusters, of tables and of the disk. */
function writes(seed: number, { size, cluster, reach }: { readonly size: number; readonly cluster: number; readonly reach: number }, model: Model): string[] {
  const random = prng(seed);
  return Array.from({ length: 12 }, () => {
    const length = SECTOR * (1 + random.below(random.pick([2, 100])));
    const near = random.pick([random.below(4) * cluster, (1 + random.below(3)) * reach, size, Math.floor(random.below(1000) * (size / 1000 / cluster)) * cluster]);
    const offset = Math.max(0, Math.min(near - SECTOR * random.below(100), size - length));
    const byte = random.below(4) === 0 ? 0 : 1 + random.below(255);
    for (let at = offset; at < offset + length; at += SECTOR) model.set(at, byte);
    return byte === 0 ? `write -q -z ${offset} ${length}` : `write -q -P ${byte} ${offset} ${length}`;
  });
}

const reads = (model: Model): string[] => [...model].map(([offset, byte]) => `read -q -P ${byte} ${offset} ${SECTOR}`);
const said = (commands: readonly string[]): string[] => commands.flatMap((command) => ['-c', command]);

/** A sector, found by the specification alone. */
function sectorOf(file: number, offset: number): Buffer {
  const at = (place: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, place);
    return bytes;
  };
  const header = at(0, 64);
  const [cluster, table] = [header.readUInt32LE(4), header.readUInt32LE(8)];
  const entries = (cluster * table) / 8;
  const number = Math.floor(offset / cluster);
  const second = Number(at(Number(header.readBigUInt64LE(40)) + 8 * Math.floor(number / entries), 8).readBigUInt64LE());
  const place = second === 0 ? 0 : Number(at(second + 8 * (number % entries), 8).readBigUInt64LE());
  return place <= 1 ? Buffer.alloc(SECTOR) : at(place + (offset % cluster), SECTOR);
}

describe.skipIf(needs.skip)(needs.title('qed'), () => {
  test.each(SIZES)('clusters of %d bytes, tables of %d', async (cluster, table) => {
    using dir = tempDir();
    const file = dir.file('image');
    const reach = ((cluster * table) / 8) * cluster;
    const most = ((cluster * table) / 8) * reach;
    const size = Math.min(3 * reach + cluster + 1536, most, LARGEST);
    // It opens no tables of one cluster, and takes 2^64 bytes for none.
    const known = table > 1 && most < 2 ** 64;
    expect(await ours(['create', '-q', '-f', 'qed', '-o', `cluster_size=${cluster},table_size=${table}`, file, String(size)])).toMatchObject({ code: 0, stderr: '' });
    const model: Model = new Map();
    for (let turn = 0; turn < 3; turn++) {
      const commands = said(writes(cluster + table + turn, { size, cluster, reach }, model));
      if (known && turn === 1) expect(await run('qemu-io', ['-f', 'qed', ...commands, file])).toMatchObject({ code: 0, stdout: '' });
      else expect(await ours(['io', '-f', 'qed', ...commands, file], { calledAs: 'blk' })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    }
    expect(await ours(['io', '-f', 'qed', ...said(reads(model)), file], { calledAs: 'blk' })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    // Which reads the tables from end to end.
    if (cluster * table <= 2 ** 24) expect(await ours(['check', '-q', '-f', 'qed', file])).toMatchObject({ code: 0, stderr: '' });
    const opened = openSync(file, 'r');
    for (const [offset, byte] of model) expect(sectorOf(opened, offset).every((found) => found === byte), `at ${offset}`).toBe(true);
    closeSync(opened);
    const check = await run('qemu-img', ['check', '-q', '-f', 'qed', file]);
    if (known) {
      expect(check).toMatchObject({ code: 0, stderr: '' });
      expect(await run('qemu-io', ['-f', 'qed', ...said(reads(model)), file])).toMatchObject({ code: 0, stdout: '' });
    } else expect(check.stderr).toMatch(/QED (table offset|image size) is invalid/);
  });
});
