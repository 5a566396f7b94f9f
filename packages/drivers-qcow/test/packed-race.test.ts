/** Packed bytes that are read along with others before they were written are forgotten before anybody can find their cluster. */
import { WriteFlag, type Completion } from '@blk/core-graph';
import { expectSameBytes, prng, type DiskOperation } from '@blk/driver-conformance';
import { expect, test } from 'vitest';
import { Bench } from './support.js';

const CLUSTER = 4096;
/** Of the disk, one table has that many bytes. */
const TABLE = 512 * CLUSTER;

test('a read that waits for the same piece of the tables as the writer', async () => {
  const bench = new Bench();
  const disk = await bench.create(16 * TABLE);
  const node = await bench.open(disk, { 'cache-size': 1 });
  const packable = (seed: number): Uint8Array => prng(seed).bytes(CLUSTER).fill(1, 1000);
  const pack = async (offset: number, bytes: Uint8Array): Promise<void> => { await node.write(offset, bytes, 0, CLUSTER, WriteFlag.Compressed); };
  const read = async (offset: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(CLUSTER);
    await node.read(offset, bytes, 0, CLUSTER);
    return bytes;
  };
  // All tables have their places, and the first one is known by its place: it is read when it is looked at after many others.
  for (let table = 0; table < 16; table++) await pack(table * TABLE, packable(table));
  const forgetTables = async (): Promise<void> => {
    await node.flush();
    for (let table = 8; table < 16; table++) await read(table * TABLE + CLUSTER);
  };
  await forgetTables();
  const reads: DiskOperation[] = [];
  let gate: ((operation: DiskOperation) => Completion) | undefined;
  disk.use({ before: (operation) => { if (operation.verb === 'read') reads.push(operation); return gate?.(operation); } });
  await read(0);
  const tableAt = reads.find(({ length }) => length === CLUSTER)?.offset;
  expect(tableAt).toBeDefined();

  let writeOn!: () => void;
  let stopped = (): void => undefined;
  const atWrite = new Promise<void>((resolve) => (stopped = resolve));
  gate = ({ verb }) => {
    if (verb !== 'write') return;
    gate = undefined;
    stopped();
    return new Promise<void>((resolve) => (writeOn = resolve));
  };
  const fresh = packable(99);
  const writing = pack(CLUSTER, fresh);
  await atWrite;
  // The file has bytes behind, and what is read along with the cluster in front is what is not written yet.
  await pack(TABLE + CLUSTER, packable(98));
  await read(15 * TABLE);
  await forgetTables();
  await read(15 * TABLE);

  let loadOn!: () => void;
  const atLoad = new Promise<void>((resolve) => {
    gate = ({ verb, offset }) => {
      if (verb !== 'read' || offset !== tableAt) return;
      gate = undefined;
      resolve();
      return new Promise<void>((go) => (loadOn = go));
    };
  });
  writeOn();
  await atLoad;
  const reading = read(CLUSTER);
  loadOn();
  const found = await reading;
  await writing;
  if (found.some((byte) => byte !== 0)) expectSameBytes(found, fresh);
  expectSameBytes(await read(CLUSTER), fresh);
  await bench.graph.release(node);
});
