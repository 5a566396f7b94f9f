/** What is written in which order: headers in turn, log entries before what they promise, through the whole ring of the log and on. */
import { expectSameBytes, readAll, recorder, saveDisk, writeBytes, type RecordedOperation } from '@blk/driver-conformance';
import { checkImage, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { crc32c, viewOf } from '../src/format.js';
import { BAT, Bench, compareWith } from './support.js';

const oracle = skipUnless('qemu-img');
const MIB = 1 << 20;
const BLOCKS = 100;
const LOG = { from: MIB, to: 2 * MIB };

const NO_LOG = '0'.repeat(32);

interface SeenHeader {
  readonly sequence: bigint;
  readonly fileWriteId: string;
  readonly dataWriteId: string;
  readonly logId: string;
}

function headerIn(bytes: Uint8Array): SeenHeader {
  const hex = (at: number): string => Buffer.from(bytes.subarray(at, at + 16)).toString('hex');
  expect(viewOf(bytes).getUint32(4, true)).toBe(crc32c(bytes, 4));
  return { sequence: viewOf(bytes).getBigUint64(8, true), fileWriteId: hex(16), dataWriteId: hex(32), logId: hex(48) };
}

/** Every block gets its place by a flush of its own: more entries than the log has room for. */
async function fillBlocks(bench: Bench): Promise<{ readonly recording: ReturnType<typeof recorder>; readonly model: Uint8Array }> {
  const disk = await bench.create(BLOCKS * MIB, { block_size: MIB });
  const recording = recorder(disk);
  const node = await bench.open(disk);
  const model = new Uint8Array(BLOCKS * MIB);
  for (let block = 0; block < BLOCKS; block++) {
    await writeBytes(node, block * MIB, new Uint8Array(512).fill(block + 1));
    model.fill(block + 1, block * MIB, block * MIB + 512);
    await node.flush();
  }
  await bench.graph.release(node);
  return { recording, model };
}

test('each header takes the place of the older one, and is on stable storage before what relies on it', async () => {
  const { recording } = await fillBlocks(new Bench());
  const writes = recording.operations.filter(({ verb }) => verb === 'write');
  const isIn = ({ offset, length }: RecordedOperation, from: number, to: number): boolean => offset < to && offset + length > from;
  const slots = [0x10000, 0x20000].map((at) => {
    const bytes = new Uint8Array(4096);
    recording.base.read(at, bytes, 0, 4096);
    return headerIn(bytes);
  });
  const before = slots[1];
  let newest = slots[0].sequence > slots[1].sequence ? 0 : 1;
  let lastHeader: RecordedOperation | undefined;
  let entry: RecordedOperation | undefined;
  const placed: RecordedOperation[] = [];
  let highest = 0;
  let wrapped = 0;
  for (const operation of writes) {
    const { offset, length, bytes, start } = operation;
    if (isIn(operation, 0x10000, 0x30000)) {
      const slot = offset === 0x10000 ? 0 : 1;
      const header = headerIn(bytes as Uint8Array);
      expect([slot, length, header.sequence]).toEqual([1 - newest, 4096, slots[newest].sequence + 1n]);
      // The log is said to be empty only when all that it promised is in its place.
      if (header.logId === NO_LOG) expect(placed.filter((change) => !recording.isStable(change, start))).toEqual([]);
      [slots[slot], newest, lastHeader] = [header, slot, operation];
    } else if (isIn(operation, LOG.from, LOG.to)) {
      expect(offset + length).toBeLessThanOrEqual(LOG.to);
      // An entry that is written over is not needed any more.
      expect(placed.filter((change) => !recording.isStable(change, start))).toEqual([]);
      if (offset < highest) wrapped++;
      highest = offset;
      entry = operation;
    } else if (isIn(operation, BAT, BAT + MIB)) {
      expect(entry !== undefined && recording.isStable(entry, start)).toBe(true);
      expect(slots[newest].logId).toBe(Buffer.from(entry?.bytes?.subarray(32, 48) ?? []).toString('hex'));
      expect(lastHeader !== undefined && recording.isStable(lastHeader, start)).toBe(true);
      placed.push(operation);
    } else {
      // The first change of the disk is told by new identifiers.
      expect(lastHeader !== undefined && recording.isStable(lastHeader, start)).toBe(true);
      expect(slots[newest].fileWriteId).not.toBe(before.fileWriteId);
      expect(slots[newest].dataWriteId).not.toBe(before.dataWriteId);
    }
  }
  expect([placed.length, wrapped, slots[newest].logId]).toEqual([BLOCKS, 1, NO_LOG]);
});

describe.skipIf(oracle.skip)(oracle.title('the log'), () => {
  test('of a power cut behind any entry: with the table as it was before, both programs take it from there', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const { recording, model } = await fillBlocks(bench);
    const changes = recording.operations.filter(({ verb, offset, length }) => verb === 'write' && offset < BAT + MIB && offset + length > BAT);
    // The last entry before the ring begins anew, and the first of the next round.
    for (const at of [96, 97]) {
      const left = recording.cut(changes[at].start);
      const expected = model.slice().fill(0, (at + 1) * MIB);
      expectSameBytes(await readAll(await bench.open(left, {}, { readOnly: true })), expected);
      saveDisk(left, dir.file('theirs'));
      expect(await qemuImg('check', '-r', 'all', '-f', 'vhdx', dir.file('theirs'))).toMatchObject({ code: 0 });
      await compareWith(dir.file('theirs'), expected);
      await bench.graph.release(await bench.open(left));
      expectSameBytes(await bench.content(left), expected);
      saveDisk(left, dir.file('ours'));
      await checkImage(dir.file('ours'), 'vhdx');
    }
  }, 60_000);
});
