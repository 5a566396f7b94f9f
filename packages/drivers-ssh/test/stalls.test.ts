// A server that is there and whose file does not answer: with `timeout` the connection is lost, and `reconnect-delay` decides about the requests. The clock stands still.
import { BlockGraph, createImage, ManualClock, type BlockNode, type Definition } from '@blk/core-graph';
import { prng } from '@blk/driver-conformance';
import { skipUnless, until } from '@blk/oracle';
import type { SFTPWrapper } from 'ssh2';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sshDriver } from '../src/index.js';
import { polite, startLiar } from './liar.js';
import { serve, type Served } from './support.js';

const SIZE = 256 * 1024;
const ns = (seconds: number): number => seconds * 1e9;

type Own = Parameters<typeof sshDriver>[0];

/** A graph under a clock of its own. */
function graphOf(own: Own): { readonly clock: ManualClock; readonly graph: BlockGraph } {
  const clock = new ManualClock();
  const graph = new BlockGraph({ drivers: [sshDriver(own)], host: { now: () => clock.now(), timer: (ms, callback) => clock.timer(ms, callback) } });
  onTestFinished(() => graph.close());
  return { clock, graph };
}

/** Begins to open a file. */
function open(definition: Definition, own: Own): { readonly clock: ManualClock; readonly opening: Promise<BlockNode> } {
  const { clock, graph } = graphOf(own);
  return { clock, opening: Promise.resolve(graph.open(definition)) };
}

const needs = skipUnless('sshd', 'ssh-keygen');
describe.skipIf(needs.skip)(needs.title('an OpenSSH server whose sftp-server hangs'), () => {
  const content = prng(5).bytes(SIZE);

  /** A server with a file that is open; `hang` stops the process behind it. */
  async function opened(more: Definition): Promise<{ readonly clock: ManualClock; readonly node: BlockNode; readonly served: Served; readonly hang: () => void }> {
    const served = await serve();
    onTestFinished(() => served[Symbol.asyncDispose]());
    served.put('disk', content);
    const { clock, opening } = open(served.definition('disk', more), { home: served.server.home, agent: false, systemKnownHosts: '/nowhere' });
    const node = await opening;
    const hang = (): void => {
      const pids = served.server.sftpServers();
      expect(pids).toHaveLength(1);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      onTestFinished(() => { for (const pid of pids) process.kill(pid, 'SIGKILL'); });
    };
    return { clock, node, served, hang };
  }
  const read = async (node: BlockNode): Promise<Uint8Array> => {
    const buffer = new Uint8Array(SIZE);
    await node.read(0, buffer, 0, SIZE);
    return buffer;
  };

  it('fails what is under way when the time is over, not before, and serves again by another', async () => {
    const { clock, node, served, hang } = await opened({ timeout: 20 });
    await node.write(0, Uint8Array.of(content[0]), 0, 1, 0);
    hang();
    const outcomes = [read(node), node.write(0, content, 0, 100_000, 0), node.flush()].map((request) => Promise.resolve(request).then(() => 'done', (error: unknown) => error));
    let settled = 0;
    for (const each of outcomes) void each.then(() => settled++);
    await until(() => clock.pending === 1);
    clock.advance(ns(19));
    await new Promise(setImmediate);
    expect(settled).toBe(0);
    clock.advance(ns(6));
    const message = `The SSH server 127.0.0.1:${served.server.port} did not answer for 20 s while requests were under way`;
    for (const outcome of await Promise.all(outcomes)) expect(outcome).toMatchObject({ kind: 'timeout', message });
    // What was written before and is not flushed may be lost with it.
    await expect(node.flush()).rejects.toThrow('may not have reached the disk');
    expect(Buffer.compare(await read(node), content)).toBe(0);
    await node.flush();
    expect(clock.pending).toBeLessThanOrEqual(1);
  });

  it('is asked again over another connection where there is a reconnect-delay', async () => {
    const { clock, node, hang } = await opened({ timeout: 20, 'reconnect-delay': 60 });
    hang();
    const reading = read(node);
    await until(() => clock.pending === 1);
    clock.advance(ns(25));
    expect(Buffer.compare(await reading, content)).toBe(0);
  });

  it('is waited for without a limit', async () => {
    const { clock, node, served, hang } = await opened({});
    hang();
    const reading = read(node);
    clock.advance(ns(1e6));
    await new Promise(setImmediate);
    for (const pid of served.server.sftpServers()) process.kill(pid, 'SIGCONT');
    expect(Buffer.compare(await reading, content)).toBe(0);
  });
});

describe('a server that', () => {
  const own = { home: '/nowhere', agent: false, systemKnownHosts: '/nowhere' } as const;
  const definition = (port: number, more: Definition = {}): Definition =>
    ({ driver: 'ssh', server: { host: '127.0.0.1', port: String(port) }, user: 'x', path: '/disk', 'host-key-check': { mode: 'none' }, ...more });

  it('takes its time, and answers one piece after the other, is not given up', async () => {
    const asked: (() => void)[] = [];
    await using liar = await startLiar((sftp) => {
      polite(sftp, SIZE).on('READ', (id, _handle, _offset, length) => { asked.push(() => { sftp.data(id, Buffer.alloc(length, 7)); }); });
    });
    const { clock, opening } = open(definition(liar.port, { timeout: 20 }), own);
    const node = await opening;
    const buffer = new Uint8Array(SIZE);
    const reading = Promise.resolve(node.read(0, buffer, 0, SIZE));
    const came = (): number => buffer.reduce((count, byte) => count + (byte === 7 ? 1 : 0), 0);
    for (let before = 0; before < SIZE; before = came()) {
      await until(() => asked.length > 0);
      clock.advance(ns(18));
      asked.shift()?.();
      await until(() => came() > before);
    }
    await reading;
  });

  it.each<readonly [string, (sftp: SFTPWrapper) => void, Definition, number]>([
    ['opens nothing', () => undefined, {}, 20],
    ['opens nothing within timeout', () => undefined, { timeout: 70 }, 70],
    ['does not say what it opened', (sftp) => { sftp.on('OPEN', (id) => { sftp.handle(id, Buffer.of(1)); }); }, {}, 20],
  ])('%s is given up', async (_title, behave, more, seconds) => {
    let opened = 0;
    await using liar = await startLiar((sftp) => {
      behave(sftp);
      sftp.on('OPEN', () => { opened++; });
    });
    const { clock, opening } = open(definition(liar.port, more), own);
    const failed = expect(opening).rejects.toMatchObject({ kind: 'timeout', message: `The SSH server 127.0.0.1:${liar.port} did not answer for ${seconds} s while requests were under way` });
    await until(() => opened === 1);
    clock.advance(ns(seconds));
    await failed;
    expect(clock.pending).toBe(0);
  });

  it('makes no file is given up', async () => {
    let opened = 0;
    await using liar = await startLiar((sftp) => { sftp.on('OPEN', () => { opened++; }); });
    const { clock, graph } = graphOf(own);
    const making = createImage(graph, `ssh://x@127.0.0.1:${liar.port}/disk?host_key_check=no`, { format: 'ssh', size: 512 });
    const failed = expect(making).rejects.toMatchObject({ kind: 'timeout' });
    await until(() => opened === 1);
    clock.advance(ns(25));
    await failed;
  });
});
