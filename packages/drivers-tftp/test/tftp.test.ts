// Whole transfers: from good servers, liars, and over a network that loses packets.
import { createSocket, Socket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { BlockGraph, openImage, type BlockNode, type Definition } from '@blk/core-graph';
import { driverConformance, expectSameBytes, HastyClock, prng, runReadmeExample } from '@blk/driver-conformance';
import { freePort, needTool, skipUnless, start, tempDir, until } from '@blk/oracle';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { tftp } from '../src/index.js';
import { FakeServer, generous, startLossyNetwork, type Behaviour } from './fake-server.js';

const SIZE = 200_003;
const BYTES = prng(4).bytes(SIZE);

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function serve(behaviour?: Behaviour, bytes = BYTES): Promise<FakeServer> {
  const server = await FakeServer.start(bytes, behaviour);
  cleanup.push(() => server.close());
  return server;
}

async function open({ url }: { readonly url: string }, more: Definition = {}, clock = new HastyClock(100)): Promise<BlockNode> {
  const graph = new BlockGraph({ drivers: [tftp], host: clock.host });
  cleanup.push(() => graph.close());
  return graph.open({ driver: 'tftp', url, 'read-only': true, ...more });
}

const hasIPv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1');

/** Says nothing again for as long as a slow machine may take: where requests are counted. */
const patient = (): HastyClock => new HastyClock(0.01);

async function expectRight(node: BlockNode, bytes = BYTES): Promise<void> {
  expect(node.size).toBe(bytes.length);
  for (const [offset, length] of [[bytes.length - 1, 1], [0, bytes.length], [1000, 5000]]) {
    const buffer = new Uint8Array(length);
    await node.read(offset, buffer, 0, length);
    expectSameBytes(buffer, bytes.subarray(offset, offset + length));
  }
}

driverConformance({
  name: 'tftp',
  size: SIZE,
  histories: 1,
  steps: 20,
  provision: async ({ seed }) => {
    const content = prng(seed).bytes(SIZE);
    const server = await FakeServer.start(content);
    return { drivers: [tftp], definition: { driver: 'tftp', url: server.url, 'auto-read-only': true }, content, dispose: () => server.close() };
  },
});

describe('a server', () => {
  it('sends the file once, with what was agreed on', async () => {
    const server = await serve();
    await expectRight(await open(server, {}, patient()));
    expect(server.requests).toBe(1);
  });

  it.each([512, 511, 513, 1, 0, 1024])('ends a file of %d bytes where it ends', async (size) => {
    for (const behaviour of [{ grant: generous(size) }, {}]) {
      const node = await open(await serve(behaviour, BYTES.subarray(0, size)), { blksize: 512 });
      const buffer = new Uint8Array(size);
      if (size > 0) await node.read(0, buffer, 0, size);
      expectSameBytes(buffer, BYTES.subarray(0, size));
    }
  });

  it('that knows no options, or few, does as well', async () => {
    await expectRight(await open(await serve({})));
    await expectRight(await open(await serve({ grant: () => ({ blksize: '1000' }) })));
    await expectRight(await open(await serve({ grant: () => ({ tsize: String(SIZE) }) })));
  });

  it('is asked again when packets get lost, come twice, or come late', async () => {
    for (const windowsize of [1, 16]) {
      const random = prng(windowsize);
      let lost = 0;
      const server = await serve({
        grant: generous(SIZE),
        send: (packet) => {
          const fate = random.below(10);
          if (fate === 0) lost++;
          return fate === 0 ? [] : fate === 1 ? [packet, packet] : [packet];
        },
      });
      await expectRight(await open(server, { windowsize }));
      expect(lost).toBeGreaterThan(0);
    }
  });

  it('that begins anew in the middle has to send the same', async () => {
    let broken = false;
    let changing: (() => void) | undefined = undefined as (() => void) | undefined;
    const failing = (packet: Buffer, number: number): Buffer[] => {
      if (broken || number < 60) return [packet];
      broken = true;
      changing?.();
      return [Buffer.from('\0\x05\0\0tired\0', 'latin1')];
    };
    const server = await serve({ grant: generous(SIZE), send: failing });
    await expectRight(await open(server, {}, patient()));
    expect(server.requests).toBe(2);
    broken = false;
    const other = await serve({ grant: generous(SIZE), send: failing });
    changing = () => { other.bytes = BYTES.map((byte, at) => (at === 777 ? byte ^ 1 : byte)); };
    const node = await open(other);
    await expect(node.read(SIZE - 1, new Uint8Array(1), 0, 1)).rejects.toThrow('The file has changed while it was fetched: byte 777 is another one');
  });

  it.each<readonly [string, Behaviour, string]>([
    ['does not have the file', { send: () => [Buffer.from('\0\x05\0\x01nothing here\0', 'latin1')] }, 'The server refuses to send the file: nothing here (error 1)'],
    ['grants too much', { grant: () => ({ blksize: '65000' }) }, 'The server grants more than it was asked for'],
    ['grants what nobody asked for', { grant: () => ({ multicast: 'x' }) }, "The server grants what nobody asked for: 'multicast'"],
    ['has more than may be kept', { grant: () => ({ tsize: '1000000' }) }, "The file has 1000000 bytes; it has to be fetched as a whole, and 'spool' allows 300000"],
    ['never ends, and does not say so', { send: (packet) => [Buffer.concat([packet, Buffer.alloc(516 - packet.length)])] }, "and 'spool' allows 300000"],
  ])('that %s is refused', async (_name, behaviour, message) => {
    const server = await serve(behaviour, behaviour.send === undefined ? BYTES : new Uint8Array(900_000));
    await expect(open(server, { spool: 300_000 })).rejects.toThrow(`CURL: Error opening file: The `);
    await expect(open(server, { spool: 300_000 })).rejects.toThrow(message);
  });

  it.each([
    ['less', BYTES.subarray(0, 150_000), 'The server sent 150000 of 200003 bytes'],
    ['more', Buffer.concat([BYTES, BYTES]), 'The server sends more than the 200003 bytes that it had announced'],
  ])('that sends %s than it had announced is given up', async (_name, bytes, message) => {
    const node = await open(await serve({ grant: generous(SIZE) }, bytes));
    await expect(node.read(SIZE - 1, new Uint8Array(1), 0, 1)).rejects.toThrow(message);
  });

  it('that does not answer is given up, at first and later', async () => {
    const clock = new HastyClock(100);
    const silent = await serve({ grant: generous(SIZE), send: () => [] });
    const opening = open(silent, {}, clock).then(() => 'open', (error: Error) => error.message);
    await until(() => silent.requests > 1);
    clock.expire();
    expect(await opening).toBe('CURL: Error opening file: The server is too slow: no answer within 5 s');
    const tired = await serve({ grant: generous(SIZE), send: (packet, number) => (number < 60 ? [packet] : []) });
    const node = await open(tired, {}, clock);
    const reading = (node.read(SIZE - 1, new Uint8Array(1), 0, 1) as Promise<void>).then(() => 'read', (error: Error) => error.message);
    const ticking = setInterval(() => { clock.expire(); }, 50);
    expect(await reading).toContain('The server is too slow');
    clearInterval(ticking);
  });

  it('that says the same again and again is given up', async () => {
    const clock = new HastyClock(100);
    let block: Buffer | undefined;
    const server = await serve({ grant: generous(SIZE), send: (packet, number) => (number < 60 ? [packet] : [(block ??= packet)]) });
    const node = await open(server, {}, clock);
    const reading = (node.read(SIZE - 1, new Uint8Array(1), 0, 1) as Promise<void>).then(() => 'read', (error: Error) => error.message);
    const ticking = setInterval(() => { clock.expire(); }, 50);
    expect(await reading).toContain('The server is too slow');
    clearInterval(ticking);
  });

  it('alone is believed: what strangers send is not', async () => {
    const stranger = createSocket('udp4');
    cleanup.push(() => new Promise<void>((resolve) => { stranger.close(resolve); }));
    const told: number[] = [];
    stranger.on('message', (packet) => told.push(packet.readUInt16BE(0), packet.readUInt16BE(2)));
    let client = 0;
    const server = await serve({
      grant: generous(SIZE),
      request: ({ port }) => { client = port; },
      send: (packet, number) => {
        // The next block, and wrong.
        if (number === 3) stranger.send(Buffer.from('\0\x05\0\0stop\0', 'latin1'), client, '127.0.0.1');
        if (number === 3) for (let block = 1; block < 40; block++) stranger.send(Buffer.concat([Buffer.of(0, 3, 0, block), Buffer.alloc(1428, 99)]), client, '127.0.0.1');
        return [packet];
      },
    });
    await expectRight(await open(server));
    await until(() => told.length >= 2);
    expect(told.slice(0, 2)).toEqual([5, 5]);
    // No answer to the error: there are as many as wrong blocks, at most.
    expect(told.length).toBeLessThanOrEqual(2 * 39);
  });

  it('is not answered where it says to come from port 0, to which nothing can be sent', async () => {
    const server = await serve();
    const bind = vi.spyOn(Socket.prototype, 'bind');
    const node = await open(server);
    const [client] = bind.mock.contexts as Socket[];
    bind.mockRestore();
    for (const address of ['127.0.0.1', '127.0.0.2']) client.emit('message', Buffer.from('\0\x03\0\x01from nowhere'), { address, family: 'IPv4', port: 0, size: 16 });
    await expectRight(node);
  });

  it('is asked for names in any encoding, at any kind of address', async () => {
    const names: string[] = [];
    const server = await FakeServer.start(BYTES, { grant: generous(SIZE), request: (_client, name) => { names.push(name); } }, hasIPv6 ? '::1' : '127.0.0.1');
    cleanup.push(() => server.close());
    for (const name of ['Größe', '%E4%3F%23%25']) await expectRight(await open({ url: server.url.replace('disk.raw', name) }, {}, patient()));
    expect(names).toEqual([Buffer.from('Größe').toString('latin1'), '\u00e4?#%']);
  });

  it('goes on at block 0 behind 65535', async () => {
    const bytes = prng(8).bytes(8 * 66_000 + 3);
    await expectRight(await open(await serve(undefined, bytes), { blksize: 8, windowsize: 64 }, patient()), bytes);
  });

  it.skipIf(!hasIPv6)('is known by its address however that is written', async () => {
    const server = await serve();
    await expectRight(await open({ url: server.url.replace('127.0.0.1', '[::ffff:127.0.0.1]') }));
  });

  it('is left when the image is closed', async () => {
    const server = await serve({ grant: generous(SIZE), send: (packet, number) => (number < 30 ? [packet] : []) });
    const node = await open(server);
    const reading = (node.read(SIZE - 1, new Uint8Array(1), 0, 1) as Promise<void>).then(() => 'read', (error: Error) => error.message);
    await node.driver.close();
    expect(await reading).toBe('The image was closed');
  });
});

describe('options', () => {
  it.each<readonly [Definition, string]>([
    [{}, "curl block driver requires an 'url' option"],
    [{ url: 'ftp://h/x' }, "tftp curl driver cannot handle the URL 'ftp://h/x' (does not start with 'tftp://')"],
    [{ url: 'tftp://h/' }, "The URL names no file: 'tftp://h/'"],
    [{ url: 'tftp://h/x;mode=netascii' }, "An image is read byte for byte, not in mode 'netascii'"],
    [{ url: 'tftp://h/a%00b' }, 'The name of the file cannot be sent'],
    [{ url: 'tftp://me:geheim@h/a?b' }, "In the URL, '?' and '#' of a name have to be written %3F and %23: 'tftp://me:***@h/a?b'"],
    [{ url: 'tftp://h/x', blksize: 7 }, 'blksize=7: 8 to 65464 are possible'],
    [{ url: 'tftp://h/x', windowsize: 65 }, 'windowsize=65: 1 to 64 are possible'],
    [{ url: 'tftp://h/x', 'read-only': false }, 'curl driver does not support writes'],
    [{ url: 'tftp://h/x', username: 'me' }, "Block protocol 'tftp' doesn't support the option 'username'"],
  ])('%j are refused', async (options, message) => {
    await expect(new BlockGraph({ drivers: [tftp] }).open({ driver: 'tftp', 'read-only': true, ...options })).rejects.toThrow(message);
  });

  it('do what the README shows', async () => {
    expect(await runReadmeExample(join(import.meta.dirname, '..'), { createSocket, openImage, tftp })).toEqual([[1000, new Uint8Array([7, 7, 7])]]);
  });
});

const needs = skipUnless('in.tftpd');
// It changes its user and its root, which root alone may do.
describe.skipIf(needs.skip || process.getuid?.() !== 0)(needs.title('tftpd-hpa'), () => {
  /** It says nothing when it listens: requests are made again until it does. */
  async function startTftpd(bytes: Uint8Array): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
    const dir = tempDir();
    writeFileSync(dir.file('disk.raw'), bytes);
    const port = await freePort();
    const server = await start(needTool('in.tftpd'), ['--foreground', '--address', `127.0.0.1:${port}`, '--user', 'root', '--retransmit', '100000', '--secure', dir.path]);
    const stop = async (): Promise<void> => {
      await server.stop();
      dir[Symbol.dispose]();
    };
    return { port, stop };
  }

  driverConformance({
    name: 'tftp from tftpd-hpa',
    size: SIZE,
    histories: 1,
    steps: 20,
    provision: async ({ seed }) => {
      const content = prng(seed).bytes(SIZE);
      const { port, stop } = await startTftpd(content);
      return { drivers: [tftp], definition: { driver: 'tftp', url: `tftp://127.0.0.1:${port}/disk.raw`, 'auto-read-only': true }, content, dispose: stop };
    },
  });

  it('sends a file, over a good network and over a bad one', async () => {
    const { port, stop } = await startTftpd(BYTES);
    cleanup.push(stop);
    await expectRight(await open({ url: `tftp://127.0.0.1:${port}/disk.raw` }));
    await expect(open({ url: `tftp://127.0.0.1:${port}/none.raw` })).rejects.toMatchObject({ kind: 'not-found' });
    const lossy = await startLossyNetwork(port, 3);
    cleanup.push(() => lossy.close());
    await expectRight(await open({ url: `tftp://127.0.0.1:${lossy.port}/disk.raw` }, { windowsize: 4 }));
    expect(lossy.lost()).toBeGreaterThan(0);
  });
});
