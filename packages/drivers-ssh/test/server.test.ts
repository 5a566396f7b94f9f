// Beside a real server: logging in, making files, what is refused, and what becomes of requests when the connection goes.
import { appendFileSync, chmodSync, closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { createImage, openImage, type BlockGraph, type BlockNode, type Host, type Image, type OpenImageOptions } from '@blk/core-graph';
import { expectSameBytes, prng, runReadmeExample } from '@blk/driver-conformance';
import { findTool, skipUnless, startSshAgent, until } from '@blk/oracle';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { serve, Wire, type Served } from './support.js';

const SIZE = 1024 * 1024;
const needs = skipUnless('sshd', 'ssh-keygen', 'ssh-agent', 'ssh-add');

describe.skipIf(needs.skip)(needs.title('an OpenSSH server'), () => {
  let served: Served;
  let files = 0;
  beforeAll(async () => { served = await serve(); });
  afterAll(() => served[Symbol.asyncDispose]());

  /** A fresh file of random content on the server. */
  const file = (size = SIZE): { readonly name: string; readonly content: Uint8Array } => {
    const made = { name: `file${++files}`, content: prng(files).bytes(size) };
    served.put(made.name, made.content);
    return made;
  };
  /** A graph that is closed with the test. */
  const graphOf = (host?: Partial<Host>, own?: Parameters<Served['graph']>[1]): BlockGraph => {
    const graph = served.graph(host, own);
    onTestFinished(() => graph.close());
    return graph;
  };

  describe('files', () => {
    it('does what the README shows', async () => {
      const { name } = file(65_536);
      const openHere = (_name: string, { drivers: _drivers, ...options }: OpenImageOptions): Promise<Image> =>
        openImage(served.uri(name), { ...options, drivers: [served.driver] });
      const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage: openHere, ssh: served.driver, process });
      expect(logged).toEqual([[65_536, new Uint8Array([1, 2, 3])]]);
    });

    it('are read by many requests at once, each longer than a piece', async () => {
      const { name, content } = file(9 * 1024 * 1024 + 77);
      const node = await graphOf().open(served.definition(name, { 'read-only': true }));
      expect(node.size).toBe(content.length);
      expect(node.filename).toBe(served.uri(name));
      const whole = new Uint8Array(content.length);
      await Promise.all([0, 1, 2].map(async (part) => node.read(part * 3 * SIZE, whole, part * 3 * SIZE, part === 2 ? 3 * SIZE + 77 : 3 * SIZE)));
      expectSameBytes(whole, content);
    });

    it('are made, grown, cut and flushed', async () => {
      const graph = graphOf();
      await createImage(graph, served.uri('made'), { format: 'ssh', size: SIZE });
      expectSameBytes(served.get('made'), new Uint8Array(SIZE));
      const node = await graph.open(served.definition('made'));
      await node.write(SIZE - 2, Uint8Array.of(1, 2), 0, 2, 0);
      await node.truncate(SIZE + 10);
      await node.flush();
      expect([served.get('made').length, served.get('made')[SIZE - 1]]).toEqual([SIZE + 10, 2]);
      await node.truncate(100, { preallocation: 'off', shrink: true });
      expect(served.get('made').length).toBe(100);
      await expect(node.truncate(200, { preallocation: 'full' })).rejects.toMatchObject({ kind: 'unsupported' });
      await expect(async () => node.driver.allocatedSize?.()).rejects.toMatchObject({ kind: 'unsupported' });
    });

    it('that cannot be are refused by name', async () => {
      const graph = graphOf();
      mkdirSync(served.dir.file('folder'));
      await expect(graph.open(served.definition('none'))).rejects.toMatchObject({
        kind: 'not-found', message: `failed to open remote file '${served.dir.file('none')}': SFTP server: No such file (sftp error code: 2)`,
      });
      await expect(graph.open(served.definition('folder', { 'read-only': true }))).rejects.toThrow(`requires '${served.dir.file('folder')}' to be a regular file`);
      await expect(createImage(graph, served.uri('none/x'), { format: 'ssh', size: 1 })).rejects.toMatchObject({ kind: 'not-found' });
    });

    it('of more than 4 GiB, and empty ones, are read and written where they are meant', async () => {
      const size = 5 * 2 ** 30 + 3;
      served.put('big', new Uint8Array(0));
      truncateSync(served.dir.file('big'), size);
      symlinkSync('big', served.dir.file('link'));
      const node = await graphOf().open(served.definition('link'));
      expect(node.size).toBe(size);
      const bytes = prng(77).bytes(100_000);
      for (const at of [2 ** 32 - 50_000, size - 100_000]) {
        await node.write(at, bytes, 0, bytes.length, 0);
        const back = new Uint8Array(bytes.length);
        await node.read(at, back, 0, back.length);
        expectSameBytes(back, bytes);
        const local = openSync(served.dir.file('big'), 'r');
        readSync(local, back.fill(0), 0, back.length, at);
        closeSync(local);
        expectSameBytes(back, bytes);
      }
      expect(statSync(served.dir.file('big')).size).toBe(size);
      served.put('empty', new Uint8Array(0));
      const empty = await graphOf().open(served.definition('empty'));
      expect(empty.size).toBe(0);
      await empty.truncate(512);
      expectSameBytes(served.get('empty'), new Uint8Array(512));
    });

    it('that became shorter fail, and give no bytes that are not there', async () => {
      const { name } = file();
      const node = await graphOf().open(served.definition(name));
      served.put(name, new Uint8Array(512));
      await expect(node.read(0, new Uint8Array(1024), 0, 1024)).rejects.toThrow('ends at 512: it became shorter');
    });
  });

  describe('logging in', () => {
    it('takes the keys of the agent', async () => {
      const { name } = file();
      await using agent = await startSshAgent({ dir: served.dir.path, key: join(served.server.home, '.ssh/id_ed25519') });
      const home = served.dir.file('agents-home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      symlinkSync(join(served.server.home, '.ssh/known_hosts'), join(home, '.ssh/known_hosts'));
      await graphOf({}, { home, agent: agent.socket }).open(served.definition(name));
      await expect(graphOf({}, { home, agent: served.dir.file('nobody') }).open(served.definition(name))).rejects.toMatchObject({
        kind: 'permission', message: 'failed to authenticate using publickey authentication and the identities held by your ssh-agent',
      });
    });

    it('does without an agent that has gone', async () => {
      const { name } = file();
      await graphOf({}, { agent: served.dir.file('nobody') }).open(served.definition(name));
    });

    it('says which keys it could not try', async () => {
      const home = served.dir.file('locked-home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      execFileSync(findTool('ssh-keygen') as string, ['-q', '-t', 'ed25519', '-N', 'secret', '-f', join(home, '.ssh/id_ed25519')]);
      await expect(graphOf({}, { home }).open(served.definition('x', { 'host-key-check': { mode: 'none' } }))).rejects.toThrow(
        `(not tried, as they need a passphrase: ${join(home, '.ssh/id_ed25519')})`,
      );
    });

    it('asks the server for the key that is known of it', async () => {
      const { name } = file();
      const home = served.dir.file('ecdsa-home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      symlinkSync(join(served.server.home, '.ssh/id_ed25519'), join(home, '.ssh/id_ed25519'));
      writeFileSync(join(home, '.ssh/known_hosts'), `[127.0.0.1]:${served.server.port} ${served.server.hostKeys[1]}\n`);
      await graphOf({}, { home }).open(served.definition(name));
    });

    it('ends before any secret is shown to a server with another key', async () => {
      const home = served.dir.file('warned-home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      symlinkSync(join(served.server.home, '.ssh/id_ed25519'), join(home, '.ssh/id_ed25519'));
      const other = readFileSync(join(served.server.home, '.ssh/id_ed25519.pub'), 'utf8');
      writeFileSync(join(home, '.ssh/known_hosts'), `[127.0.0.1]:${served.server.port} ${other}`);
      await expect(graphOf({}, { home }).open(served.definition('x'))).rejects.toMatchObject({
        kind: 'permission', message: expect.stringMatching(new RegExp(`does not match the one in known_hosts; .*127.0.0.1:${served.server.port}$`)) as string,
      });
      await expect(graphOf({}, { home: served.dir.file('nowhere') }).open(served.definition('x'))).rejects.toThrow('no host key was found in known_hosts');
    });

    it('gives up where nobody listens, where nobody speaks SSH, and when it is called off', async () => {
      const graph = graphOf();
      await expect(graph.open({ driver: 'ssh', host: '127.0.0.1', port: 1, path: '/x' })).rejects.toThrow("Failed to connect to '127.0.0.1:1': Connection refused");
      await using wire = await Wire.to(served.server.port);
      wire.cut();
      await expect(graph.open(served.definition('x', { server: { host: '127.0.0.1', port: String(wire.port) } }))).rejects.toThrow(/failed to establish SSH session|Failed to connect/);
      await expect(graph.open(served.definition('x'), { signal: AbortSignal.abort() })).rejects.toThrow('abort');
    });
  });

  describe('a lost connection', () => {
    /** A node over a wire that can be cut. */
    const wired = async (name: string, more: object = {}): Promise<{ node: BlockNode; wire: Wire }> => {
      const wire = await Wire.to(served.server.port);
      onTestFinished(() => wire[Symbol.asyncDispose]());
      const server = { host: '127.0.0.1', port: String(wire.port) };
      const node = await graphOf().open(served.definition(name, { server, 'host-key-check': { mode: 'none' }, ...more }));
      return { node, wire };
    };

    it('fails what is under way, and the next request makes another', async () => {
      const { name, content } = file();
      const { node, wire } = await wired(name);
      wire.onSent = () => { wire.cut(); };
      await expect(node.read(0, new Uint8Array(SIZE), 0, SIZE)).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('was lost') as string });
      wire.onSent = undefined;
      wire.mend();
      const whole = new Uint8Array(SIZE);
      await until(() => Promise.resolve(node.read(0, whole, 0, SIZE)).then(() => true, () => false));
      expectSameBytes(whole, content);
      expect(wire.count).toBeGreaterThan(1);
    });

    it('is waited for as long as reconnect-delay says; writes are made again, and all of them', async () => {
      const { name } = file(4 * SIZE);
      const { node, wire } = await wired(name, { 'reconnect-delay': 60 });
      const content = prng(99).bytes(4 * SIZE);
      let sent = 0;
      wire.onSent = (bytes) => {
        sent += bytes;
        if (sent < SIZE) return;
        wire.onSent = undefined;
        wire.cut();
        wire.mend();
      };
      await Promise.all([0, 1, 2, 3].map(async (part) => node.write(part * SIZE, content, part * SIZE, SIZE, 0)));
      expect(wire.count).toBe(2);
      expectSameBytes(served.get(name), content);
      await node.flush();
    });

    it('is waited for by many requests without a word from Node', async () => {
      const { name, content } = file();
      const { node, wire } = await wired(name, { 'reconnect-delay': 60 });
      const warnings: string[] = [];
      const hear = (warning: Error): void => { warnings.push(warning.message); };
      process.on('warning', hear);
      onTestFinished(() => { process.off('warning', hear); });
      const before = wire.count;
      wire.cut();
      const parts = Array.from({ length: 30 }, () => new Uint8Array(512));
      const reads = parts.map(async (part) => node.read(0, part, 0, 512));
      await until(() => wire.count > before + 1);
      wire.mend();
      await Promise.all(reads);
      for (const part of parts) expectSameBytes(part, content.subarray(0, 512));
      expect(warnings).toEqual([]);
    });

    it('makes one flush fail for what was written before and not flushed', async () => {
      const { name } = file();
      const { node, wire } = await wired(name, { 'reconnect-delay': 60 });
      await node.write(0, new Uint8Array(512), 0, 512, 0);
      wire.cut();
      wire.mend();
      await expect(node.flush()).rejects.toThrow('may not have reached the disk');
      await node.flush();
      wire.cut();
      wire.mend();
      await node.read(0, new Uint8Array(512), 0, 512);
      await node.flush();
    });

    it('to a file that is another one by now fails for good', async () => {
      const { name } = file();
      const { node, wire } = await wired(name, { 'reconnect-delay': 60 });
      appendFileSync(served.dir.file(name), 'x');
      wire.cut();
      wire.mend();
      await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow('was changed by somebody else');
      await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow('was changed by somebody else');
      rmSync(served.dir.file(name));
    });

    it('does not come back to a file that is gone', async () => {
      const { name } = file();
      const { node, wire } = await wired(name);
      renameSync(served.dir.file(name), served.dir.file(`${name}-moved`));
      wire.cut();
      wire.mend();
      await until(() => Promise.resolve(node.read(0, new Uint8Array(512), 0, 512)).then(() => false, (error: Error) => error.message.includes('No such file')));
    });
  });
});

describe.skipIf(needs.skip)(needs.title('a lesser server'), () => {
  it('without fsync is told of once', async () => {
    await using served = await serve('-P fsync');
    served.put('x', new Uint8Array(1024));
    const warnings: string[] = [];
    const graph = served.graph({ warn: (message) => warnings.push(message) });
    const node = await graph.open(served.definition('x'));
    await node.write(0, Uint8Array.of(5), 0, 1, 0);
    await node.flush();
    await node.flush();
    await graph.close();
    expect(warnings).toEqual(['warning: ssh server 127.0.0.1 does not support fsync']);
    expect(served.get('x')[0]).toBe(5);
  });

  it('that only reads refuses writers, and is opened read-only where that is allowed', async () => {
    await using served = await serve('-R');
    served.put('x', new Uint8Array(1024));
    chmodSync(served.dir.file('x'), 0o444);
    const graph = served.graph();
    await expect(graph.open(served.definition('x'))).rejects.toMatchObject({ kind: 'permission' });
    const node = await graph.open(served.definition('x', { 'auto-read-only': true }));
    expect(node.readOnly).toBe(true);
    await expect(createImage(graph, served.uri('y'), { format: 'ssh', size: 1 })).rejects.toMatchObject({ kind: 'permission' });
    await graph.close();
  });
});
