// The same script given to the reference daemon and to us: replies compared member by member, each difference with its reason.
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { QmpError as ReferenceError} from '@blk/oracle';
import { createImage, findTool, nbdinfo, nbdUri, qemuImg, qemuIo, run, skipUnless, startQemuNbd, startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import { runDaemon } from '../src/index.js';
import { attach, drivers, sink, testServer, type Message } from './support.js';

const needs = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo');

type Step = readonly [command: string, args?: object];

/** Runs the script on both; replies are `return` or `error`. */
async function both(script: (dir: TempDir, name: string) => readonly Step[]): Promise<{ ours: Message[]; theirs: Message[] }> {
  const replies: Message[][] = [];
  for (const reference of [false, true]) {
    // Each has images of its own, under the same names.
    using dir = tempDir();
    await images(dir);
    const steps = script(dir, dir.path);
    const answers: Message[] = [];
    if (reference) {
      await using daemon = await startStorageDaemon({ cwd: dir.path });
      await daemon.qmp.execute('qmp_capabilities').catch(() => undefined);
      for (const [command, args] of steps) {
        answers.push(
          await daemon.qmp.execute(command, args as Record<string, unknown>).then(
            (result) => ({ return: result }),
            (error: ReferenceError) => ({ error: { class: error.errorClass, desc: error.message } }),
          ),
        );
      }
    } else {
      await using server = await testServer();
      const client = await attach(server).negotiate();
      for (const [command, args] of steps) answers.push(await client.ask(command, args));
    }
    replies.push(JSON.parse(JSON.stringify(answers).replaceAll(dir.path, 'DIR')) as Message[]);
    rmSync(dir.file('nbd'), { force: true });
  }
  return { ours: replies[0], theirs: replies[1] };
}

/** A chain of three, a qcow2 of the old version, and one that is recorded corrupt in nothing. */
async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.raw'), 'raw', '4M');
  await createImage(dir.file('mid.qcow2'), 'qcow2', '4M', '-b', dir.file('base.raw'), '-F', 'raw');
  await createImage(dir.file('top.qcow2'), 'qcow2', '8M', '-o', 'lazy_refcounts=on', '-b', 'mid.qcow2', '-F', 'qcow2');
  await createImage(dir.file('old.qcow2'), 'qcow2', '1M', '-o', 'compat=0.10,cluster_size=4096');
  await qemuIo(dir.file('top.qcow2'), ['write -P 3 1M 64k'], { format: 'qcow2' });
}

const qcow2 = (dir: TempDir, file: string, more: object = {}): object => ({
  driver: 'qcow2', 'node-name': file.split('.')[0], file: { driver: 'file', filename: dir.file(file) }, ...more,
});

describe.skipIf(needs.skip)(needs.title('compared with qemu-storage-daemon'), () => {
  test('query-named-block-nodes describes a chain, member by member', async () => {
    const { ours, theirs } = await both((dir) => [
      ['blockdev-add', qcow2(dir, 'top.qcow2', { discard: 'unmap', 'detect-zeroes': 'unmap' })],
      ['blockdev-add', qcow2(dir, 'old.qcow2', { 'read-only': true, cache: { direct: false, 'no-flush': true } })],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'null' }],
      ['query-named-block-nodes'],
      ['query-named-block-nodes', { flat: true }],
    ]);
    for (const step of [3, 4]) {
      const [mine, reference] = [ours, theirs].map((replies) => byPlace(replies[step].return as Node[]));
      expect([...mine.keys()].sort()).toEqual([...reference.keys()].sort());
      for (const [place, node] of mine) {
        const expected = reference.get(place)!;
        // Names that were made up.
        if (node['node-name'].startsWith('#')) expected['node-name'] = node['node-name'];
        // 2.4's member; today's QEMU has dropped it.
        expect(node).toHaveProperty('encryption_key_missing', false);
        delete (node as Partial<Node>).encryption_key_missing;
        // Optional, and false: QEMU leaves it out for drivers that have nothing to tell, we do not know which do.
        if (expected.drv.startsWith('null')) expected.image['dirty-flag'] = false;
        expect(node, place).toEqual(expected);
      }
    }
  });

  test('query-blockstats has the contract\'s members, with the values of the reference', async () => {
    const { ours, theirs } = await both((dir) => [
      ['blockdev-add', qcow2(dir, 'old.qcow2')],
      ['query-blockstats', { 'query-nodes': true }],
      ['query-blockstats'],
    ]);
    const [mine, reference] = [ours, theirs].map((replies) => (replies[1].return as Stats[]).find((node) => node['node-name'] === 'old')!);
    for (let at: Stats | undefined = mine, other: Stats | undefined = reference; at !== undefined; at = at.parent, other = other?.parent) {
      // The reference counts more since 2.5, and has numbers of its drivers.
      expect(Object.keys(at.stats)).toHaveLength(11);
      expect(other?.stats).toMatchObject(at.stats);
      expect(at.parent === undefined).toBe(other?.parent === undefined);
      expect(at).not.toHaveProperty('backing');
    }
    expect(ours[2]).toEqual(theirs[2]);
  });

  test('refusals have the same words', async () => {
    const { ours, theirs } = await both((dir) => [
      ['nope'],
      ['query-version', { x: 1 }],
      ['blockdev-add', { driver: 'null-co' }],
      ['blockdev-add', { driver: 'null-co', 'node-name': '0x' }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'x'.repeat(40) }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'x', size: 'y' }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'x', z: 1 }],
      ['blockdev-add', { driver: 'foo', 'node-name': 'x' }],
      ['blockdev-add', { driver: 'qcow2', 'node-name': 'x' }],
      ['blockdev-add', { driver: 'qcow2', 'node-name': 'x', file: 'gone' }],
      ['blockdev-add', { driver: 'file', 'node-name': 'x', filename: '/nonexistent' }],
      ['blockdev-add', { driver: 'qcow2', 'node-name': 'x', file: { driver: 'file', filename: dir.file('base.raw') } }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'x' }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'x' }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'ro', 'read-only': true }],
      ['block_resize', { size: 1 }],
      ['block_resize', { 'node-name': 'x', size: 1 }],
      ['block_resize', { 'node-name': 'y', size: 1 }],
      ['block_resize', { 'node-name': 'x', size: -1 }],
      ['blockdev-del', { 'node-name': 'y' }],
      ['nbd-server-stop'],
      ['nbd-server-remove', { name: 'x' }],
      ['nbd-server-add', { device: 'x' }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('no/where') } } }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: `/tmp/${'x'.repeat(120)}` } } }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } }, 'tls-creds': 't' }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['nbd-server-add', { device: 'x', writable: true }],
      ['nbd-server-add', { device: 'x' }],
      ['nbd-server-add', { device: 'ro', writable: true }],
      ['blockdev-del', { 'node-name': 'x' }],
      ['nbd-server-remove', { name: 'z' }],
      ['nbd-server-remove', { name: 'x' }],
      ['blockdev-del', { 'node-name': 'x' }],
      ['block-set-write-threshold', { 'node-name': 'ro', 'write-threshold': 1 }],
      ['nbd-server-stop'],
    ]);
    expect(ours).toEqual(theirs);
  });

  test('where 2.4 has a class of its own, the class differs and the words may', async () => {
    const { ours, theirs } = await both((dir) => [
      ['block_resize', { device: 'x', size: 1 }],
      ['block-set-write-threshold', { 'node-name': 'x', 'write-threshold': 1 }],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['nbd-server-add', { device: 'x' }],
    ]);
    const notFound = { error: { class: 'DeviceNotFound', desc: "Device 'x' not found" } };
    expect(ours).toEqual([notFound, notFound, { return: {} }, notFound]);
    const generic = (desc: string): object => ({ error: { class: 'GenericError', desc } });
    expect(theirs).toEqual([
      generic("Cannot find device='x' nor node-name=''"),
      generic("Device 'x' not found"),
      { return: {} },
      generic("Cannot find device='x' nor node-name='x'"),
    ]);
  });
});

describe.skipIf(needs.skip)(needs.title('command lines compared with qemu-storage-daemon'), () => {
  // Where ours has to say something else, the test of the daemon has the text.
  const lines = [
    '--blockdev', '--bogus', 'x', '--blockdev driver=null-co', '--blockdev driver=foo,node-name=x', '--blockdev driver=null-co,node-name=x,z=1',
    '--blockdev driver=file,node-name=x,filename=/nonexistent', '--blockdev {"driver":"null-co"', '--blockdev {"driver":"null-co","node-name":1}',
    '--blockdev null-co,node-name=x,read-only=maybe', '--blockdev null-co,node-name=x,size=1z', '--blockdev null-co,node-name',
    '--chardev socket', '--chardev socket,id=m,path=/nonexistent', '--chardev foo,id=m', '--chardev socket,path=/x,id=m,bogus=1', '--chardev stdio,id=1x',
    '--chardev socket,id=m,path=/nonexistent/x,server=on,wait=off', '--chardev socket,id=m,host=127.0.0.1,server=on,wait=off',
    '--chardev socket,id=m,path=/x,fd=1', '--chardev socket,id=m,path=/x,wait=off', '--chardev socket,id=m,path=/x,server=on,reconnect=1',
    `--chardev socket,id=m,path=/${'x'.repeat(120)},server=on,wait=off`,
    '--monitor chardev=m', '--monitor m', '--chardev null,id=m --monitor m,mode=readline', '--chardev null,id=m --monitor m,foo=1',
    '--chardev null,id=m --monitor m --monitor m',
    '--nbd-server addr.type=unix', '--nbd-server addr.type=unix,addr.path=/nonexistent/nbd', '--nbd-server addr.type=unix,addr.path=DIR/a --nbd-server addr.type=unix,addr.path=DIR/b',
    '--nbd-server addr.type=unix,addr.path=DIR/a,tls-creds=t', '--nbd-server addr.type=unix,addr.path=DIR/a,max-connections=-1',
    '--nbd-server addr.type=inet,addr.host=192.0.2.1,addr.port=1000', '--nbd-server addr.type=inet,addr.host=no.invalid,addr.port=1000',
    '--nbd-server addr.type=inet,addr.host=127.0.0.1,addr.port=PORT', '--nbd-server addr.type=fd,addr.str=99', '--nbd-server addr.type=fd,addr.str=x',
    '--chardev socket,id=m,host=192.0.2.1,port=1000,server=on,wait=off', '--chardev socket,id=m,host=no.invalid,port=1000',
    '--chardev socket,id=m,host=127.0.0.1,port=PORT,server=on,wait=off', '--chardev socket,id=m,fd=99',
    '--export nbd,id=e', '--export nbd,id=e,node-name=x', '--nbd-server addr.type=unix,addr.path=DIR/a --export nbd,id=e,node-name=x',
    '--blockdev null-co,node-name=x,read-only=on --nbd-server addr.type=unix,addr.path=DIR/a --export nbd,id=e,node-name=x,writable=on',
    '--blockdev null-co,node-name=x --nbd-server addr.type=unix,addr.path=DIR/a --export nbd,id=e,node-name=x --export nbd,id=e,node-name=x,name=f',
    '--blockdev null-co,node-name=x --nbd-server addr.type=unix,addr.path=DIR/a --export nbd,id=e,node-name=x --export nbd,id=f,node-name=x',
    '--blockdev null-co,node-name=x --export nbd,id=e,node-name=x',
    '--object foo,id=x', '--object secret', '--object secret,id=s', '--object secret,id=s,file=/nonexistent', '--object secret,id=s,file=/dev/null --object secret,id=s,file=/dev/null',
    '--pidfile /nonexistent/p',
  ];

  test.each(lines)('%s', async (line) => {
    using dir = tempDir();
    const occupied = createServer();
    await new Promise<void>((resolve) => occupied.listen(0, '127.0.0.1', resolve));
    const { port } = occupied.address() as AddressInfo;
    const args = line.replaceAll('DIR', dir.path).replaceAll('PORT', String(port)).split(' ');
    const stderr = sink();
    const code = await runDaemon(args, { program: 'PROGRAM', drivers, stderr, signal: AbortSignal.timeout(60_000) });
    const theirs = await run(findTool('qemu-storage-daemon')!, args);
    expect(stderr.written).toBe(theirs.stderr.replaceAll(/(\S*\/)?qemu-storage-daemon: /g, 'PROGRAM: '));
    expect(code).toBe(theirs.code);
    occupied.close();
  });
});

describe.skipIf(needs.skip)(needs.title('real clients of an export made through QMP'), () => {
  test('nbdinfo, qemu-img and qemu-io see the image, and what they write is in it', async () => {
    using dir = tempDir();
    await images(dir);
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'qcow2', id: 'drive0', file: { driver: 'file', filename: dir.file('top.qcow2') } } });
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    await client.execute('nbd-server-add', { device: 'drive0', writable: true });
    const uri = nbdUri(dir.file('nbd'), 'drive0');
    expect((await nbdinfo(uri)).exports[0]).toMatchObject({ 'export-name': 'drive0', 'export-size': 8 << 20, is_read_only: false });
    expect(await qemuIo(uri, ['read -P 3 1M 64k', 'write -P 9 2M 128k', 'flush', 'read -P 9 2M 128k'])).toMatchObject({ code: 0 });
    const [stats] = (await client.execute('query-blockstats')) as { stats: Record<string, number> }[];
    expect(stats.stats.wr_bytes).toBe(128 << 10);
    expect(stats.stats.wr_highest_offset).toBe((2 << 20) + (128 << 10));
    await client.execute('nbd-server-remove', { name: 'drive0' });
    await expect(nbdinfo(uri)).rejects.toThrow();
    await server.close();
    expect((await qemuImg('check', dir.file('top.qcow2'))).code).toBe(0);
    expect(await qemuIo(dir.file('top.qcow2'), ['read -P 9 2M 128k'], { format: 'qcow2' })).toMatchObject({ code: 0 });
  });

  test('a second writer is refused, in the words of the reference', async () => {
    using dir = tempDir();
    await images(dir);
    await using holder = await startQemuNbd({ file: dir.file('old.qcow2'), format: 'qcow2', socket: dir.file('nbd') });
    expect(holder.pid).toBeGreaterThan(0);
    const definition = qcow2(dir, 'old.qcow2');
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await using daemon = await startStorageDaemon();
    const theirs = await daemon.qmp.execute('blockdev-add', definition as Record<string, unknown>).catch((error: Error) => error.message);
    expect(await client.ask('blockdev-add', definition)).toEqual({ error: { class: 'GenericError', desc: theirs } });
    expect([...server.graph.nodes]).toEqual([]);
  });
});

interface Node {
  file: string;
  drv: string;
  'node-name': string;
  encryption_key_missing: boolean;
  image: Record<string, unknown>;
}

interface Stats {
  'node-name': string;
  stats: object;
  parent?: Stats;
}

/** Nodes by what they are, since names are made up and the order of siblings is nobody's promise. */
function byPlace(nodes: readonly Node[]): Map<string, Node> {
  return new Map(nodes.map((node) => [`${node.drv} ${node.file}`, node]));
}
