// Images of packed blocks are unpacked in several threads: some of the blocks of one reading here, others aside.
import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import { openImage, type BlockDriver } from '@blk/core-graph';
import { cloop } from '@blk/drivers-cloop';
import { dmg } from '@blk/drivers-dmg';
import { file } from '@blk/drivers-file';
import { qcow } from '@blk/drivers-qcow';
import { qcow2 } from '@blk/drivers-qcow2';
import { vmdk } from '@blk/drivers-vmdk';
import { cloopImage, dmgImage, sampleContent, type DmgChunk } from '@blk/image-writers';
import { tempDir } from '@blk/oracle';
import { describe, expect, test, vi } from 'vitest';
import { blk, succeed } from '../src/index.js';

/** Blocks that were unpacked by the thread that asked, and those by others. */
const done = vi.hoisted(() => ({ here: 0, aside: 0 }));

type Unpack = (...given: never[]) => void | Promise<void>;

vi.mock('@blk/compression', async (original) => {
  const real = await original<Record<'inflateRawInto' | 'inflateZlibInto' | 'unpackInto', Unpack>>();
  const counted = (unpack: Unpack): Unpack => (...given) => {
    const result = unpack(...given);
    done[result === undefined ? 'here' : 'aside']++;
    return result;
  };
  return { ...real, inflateRawInto: counted(real.inflateRawInto), inflateZlibInto: counted(real.inflateZlibInto), unpackInto: counted(real.unpackInto) };
});

const MIB = 2 ** 20;
const PIECE = 256 * 1024;
const CONTENT = Buffer.concat(new Array<Uint8Array>(12).fill(sampleContent(1, MIB)));

function chunksOf(chunk: (content: Uint8Array) => DmgChunk): Uint8Array {
  return dmgImage([{ chunks: Array.from({ length: CONTENT.length / PIECE }, (_, index) => chunk(CONTENT.subarray(index * PIECE, (index + 1) * PIECE))) }]);
}

async function expectThreads(driver: BlockDriver, path: string): Promise<void> {
  await using image = await openImage({ driver: driver.name, file: { driver: 'file', filename: path } }, { drivers: [file, driver] });
  done.here = done.aside = 0;
  const parts = await Promise.all(Array.from({ length: 6 }, (_, index) => image.read(index * 2 * MIB, 2 * MIB)));
  expect(Buffer.concat(parts).equals(CONTENT)).toBe(true);
  expect(done.here).toBeGreaterThan(0);
  expect(done.aside).toBeGreaterThan(0);
}

describe.skipIf(availableParallelism() < 2)('unpacked in several threads', () => {
  test.each([['qcow', qcow, ['-c']], ['qcow2', qcow2, ['-c']], ['vmdk', vmdk, ['-o', 'subformat=streamOptimized']]] as const)('%s', async (_name, driver, how) => {
    using dir = tempDir();
    writeFileSync(dir.file('plain'), CONTENT);
    succeed(await blk(['convert', '-f', 'raw', '-O', driver.name, ...how, dir.file('plain'), dir.file('packed')]));
    await expectThreads(driver, dir.file('packed'));
  });

  test('cloop', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('packed'), cloopImage(CONTENT, { blockSize: 65536 }));
    await expectThreads(cloop, dir.file('packed'));
  });

  test.each(['zlib', 'adc', 'lzfse'] as const)('dmg, %s', async (kind) => {
    using dir = tempDir();
    writeFileSync(dir.file('packed'), chunksOf((content) => ({ kind, content })));
    await expectThreads(dmg, dir.file('packed'));
  });
});
