// A server that hangs: with `timeout` the connection is lost, and `reconnect-delay` decides what becomes of the requests. The clock stands still.
import { BlockGraph, ManualClock, type BlockNode, type Definition } from '@blk/core-graph';
import { skipUnless, start, tempDir, until, waitForSocket } from '@blk/oracle';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { nbd } from '../src/index.js';
import { MemoryDisk, serve } from './support.js';

const SIZE = 64 * 1024;
const ns = (seconds: number): number => seconds * 1e9;
const definition = (path: string, more: Definition = {}): Definition => ({ driver: 'nbd', server: { type: 'unix', path }, ...more });

function graphOf(clock: ManualClock): BlockGraph {
  return new BlockGraph({ drivers: [nbd], host: { now: () => clock.now(), timer: (ms, callback) => clock.timer(ms, callback) } });
}

/** What came of a read: the byte that is everywhere in it, or the kind of the error. */
async function outcome(node: BlockNode): Promise<unknown> {
  const buffer = new Uint8Array(512);
  try {
    await node.read(0, buffer, 0, buffer.length);
    return buffer.every((byte) => byte === buffer[0]) ? buffer[0] : 'a mixture';
  } catch (error) {
    return (error as { kind?: string }).kind;
  }
}

/** A disk whose reads hang from now on, until the returned function is called. */
function hang(disk: MemoryDisk): () => void {
  let open!: () => void;
  disk.gate = new Promise((resolve) => { open = resolve; });
  return () => {
    disk.gate = undefined;
    open();
  };
}

describe('a server that hangs', () => {
  it('fails what is under way, and serves again when it is back', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    await using served = await serve(disk);
    const clock = new ManualClock();
    const graph = graphOf(clock);
    const node = await graph.open(definition(served.path, { export: 'disk', timeout: 20 }));
    const goOn = hang(disk);
    const outcomes = Promise.all(Array.from({ length: 5 }, () => outcome(node)));
    expect(clock.pending).toBe(1);
    clock.advance(ns(25));
    expect(await outcomes).toEqual(Array(5).fill('timeout'));
    goOn();
    await until(async () => (await outcome(node)) === 7);
    await graph.close();
  });

  it('is waited for without a limit', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    await using served = await serve(disk);
    const clock = new ManualClock();
    const graph = graphOf(clock);
    const node = await graph.open(definition(served.path, { export: 'disk' }));
    const goOn = hang(disk);
    const read = outcome(node);
    clock.advance(ns(1e6));
    goOn();
    expect(await read).toBe(7);
    await graph.close();
  });

  it('is asked again over another connection where there is a reconnect-delay', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    await using served = await serve(disk);
    const clock = new ManualClock();
    const graph = graphOf(clock);
    const node = await graph.open(definition(served.path, { export: 'disk', timeout: 20, 'reconnect-delay': 60 }));
    const goOn = hang(disk);
    const read = outcome(node);
    clock.advance(ns(25));
    goOn();
    expect(await read).toBe(7);
    await graph.close();
  });

  it('though it shakes hands each time is not asked for longer than reconnect-delay', async () => {
    const disk = new MemoryDisk(new Uint8Array(SIZE).fill(7));
    await using served = await serve(disk);
    const clock = new ManualClock();
    const graph = graphOf(clock);
    const node = await graph.open(definition(served.path, { export: 'disk', timeout: 20, 'reconnect-delay': 60 }));
    const goOn = hang(disk);
    let found: unknown;
    const read = outcome(node).then((result) => { found = result; });
    await until(() => {
      clock.advance(ns(1));
      return found !== undefined;
    });
    await read;
    expect(found).toBe('timeout');
    goOn();
    await graph.close();
  });

  it('in the handshake is given up at the end of open-timeout, or of timeout', async () => {
    using dir = tempDir();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => { sockets.push(socket); });
    await new Promise<void>((resolve) => silent.listen(dir.file('s'), resolve));
    for (const [options, seconds] of [[{ 'open-timeout': 5 }, 5], [{ 'open-timeout': 50, timeout: 60 }, 50], [{ timeout: 60 }, 60], [{}, 30]] as const) {
      const clock = new ManualClock();
      let message = '';
      const opening = graphOf(clock).open(definition(dir.file('s'), options)).catch((error: unknown) => { message = (error as Error).message; });
      await until(() => clock.pending === 1);
      expect(clock.deadline).toBe(ns(seconds));
      clock.advance(ns(seconds));
      await opening;
      expect(message).toBe(`Failed to connect to '${dir.file('s')}': No answer within ${seconds} s`);
    }
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

const needs = skipUnless('nbdkit');
describe.skipIf(needs.skip)(needs.title('nbdkit that takes its time'), () => {
  it.each([['within the limit', '200ms', 0.9, 0], ['beyond it', '3600', 1.25, 'timeout']] as const)('%s', async (_title, delay, times, expected) => {
    using dir = tempDir();
    await using server = await start('nbdkit', ['-f', '-U', dir.file('s'), '--filter=delay', 'memory', '1M', `rdelay=${delay}`]);
    await waitForSocket(dir.file('s'), server, { greeting: true });
    const clock = new ManualClock();
    const graph = graphOf(clock);
    const node = await graph.open(definition(dir.file('s'), { timeout: 20 }));
    for (let i = 0; i < 3; i++) {
      const read = outcome(node);
      await until(() => clock.pending > 0);
      clock.advance(ns(20 * times));
      expect(await read).toBe(expected);
      if (expected !== 0) break;
    }
    await graph.close();
  });
});
