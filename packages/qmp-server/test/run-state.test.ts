// What becomes of failed requests: the policies, the machine's state, the events in their order, and going on.
import { describe, expect, test } from 'vitest';
import { BlockError, type Backend } from '@blk/core-graph';
import { tempDir } from '@blk/oracle';
import { runDaemon, type AddDeviceOptions, type BlkServer } from '../src/index.js';
import { attach, drivers, sink, testServer, type Message, type TestClient } from './support.js';

const NULL = { driver: 'null-co', size: 1 << 20, 'node-name': 'n' };

interface Session {
  readonly server: Awaited<ReturnType<typeof testServer>>;
  readonly client: TestClient;
  readonly device: Backend;
  /** What the disk says to every request: nothing, or an error of this kind. */
  readonly disk: { fault: 'io' | 'no-space' | undefined };
}

async function session(policy: AddDeviceOptions): Promise<Session> {
  const server = await testServer();
  const device = await server.addDevice('d', NULL, policy);
  const disk: Session['disk'] = { fault: undefined };
  const node = server.graph.node('n');
  const check = (): undefined => {
    if (disk.fault !== undefined) throw new BlockError(disk.fault, 'as the test wants it');
  };
  node.read = check;
  node.write = check;
  node.flush = check;
  return { server, client: await attach(server).negotiate(), device, disk };
}

const write = async (device: Backend): Promise<void> => {
  await device.write(0, new Uint8Array(512), 0, 512);
};
const read = async (device: Backend): Promise<void> => {
  await device.read(0, new Uint8Array(512), 0, 512);
};
const status = async (client: TestClient): Promise<unknown> => ((await client.execute('query-block')) as Message[])[0]['io-status'];
const events = (client: TestClient): unknown[] => client.messages.splice(0).map(({ event, data }) => (data === undefined ? event : { event, data }));
const ioError = (action: string, more: object = {}): object => ({
  event: 'BLOCK_IO_ERROR',
  data: { device: 'd', operation: 'write', action, reason: 'Input/output error', ...more },
});

describe('query-status, stop and cont', () => {
  test('each change is told once', async () => {
    const { server, client } = await session({});
    expect(await client.execute('query-status')).toEqual({ running: true, singlestep: false, status: 'running' });
    for (const command of ['stop', 'stop']) await client.execute(command);
    expect(await client.execute('query-status')).toEqual({ running: false, singlestep: false, status: 'paused' });
    for (const command of ['cont', 'cont']) await client.execute(command);
    expect(await client.execute('query-status')).toMatchObject({ status: 'running' });
    expect(events(client)).toEqual(['STOP', 'RESUME']);
    await server.close();
  });
});

describe('error policies', () => {
  test('report: the guest is told, and nothing stops', async () => {
    const { server, client, device, disk } = await session({ rerror: 'report', werror: 'report' });
    disk.fault = 'io';
    await expect(write(device)).rejects.toThrow('as the test wants it');
    await expect(read(device)).rejects.toThrow('as the test wants it');
    expect(await client.execute('query-status')).toMatchObject({ status: 'running' });
    expect(await status(client)).toBeUndefined();
    expect(events(client)).toEqual([ioError('report'), ioError('report', { operation: 'read' })]);
    disk.fault = undefined;
    await server.close();
  });

  test('ignore: the guest is told that all is well', async () => {
    const { server, client, device, disk } = await session({ rerror: 'ignore', werror: 'ignore' });
    disk.fault = 'no-space';
    await write(device);
    await read(device);
    await device.flush();
    await client.execute('query-status');
    const nospace = { reason: 'No space left on device' };
    expect(events(client)).toEqual([ioError('ignore', nospace), ioError('ignore', { ...nospace, operation: 'read' }), ioError('ignore', nospace)]);
    disk.fault = undefined;
    await server.close();
  });

  test('stop: the request waits, the machine stops; cont tries again, and stops again while the fault is there', async () => {
    const { server, client, device, disk } = await session({ werror: 'stop' });
    expect(await status(client)).toBe('ok');
    disk.fault = 'io';
    let done = false;
    const waiting = write(device).then(() => (done = true));
    expect(await client.execute('query-status')).toEqual({ running: false, singlestep: false, status: 'io-error' });
    expect(await status(client)).toBe('failed');
    expect(events(client)).toEqual([ioError('stop', { nospace: false }), 'STOP']);
    await client.execute('cont');
    // Tried once more, it failed once more.
    await client.event('BLOCK_IO_ERROR');
    expect(await client.execute('query-status')).toMatchObject({ status: 'io-error' });
    expect(events(client)).toEqual(['RESUME', 'STOP']);
    disk.fault = undefined;
    await client.execute('cont');
    await waiting;
    expect(done).toBe(true);
    expect(await status(client)).toBe('ok');
    expect(await client.execute('query-status')).toMatchObject({ status: 'running' });
    expect(events(client)).toEqual(['RESUME']);
    await server.close();
  });

  test('enospc: stops for want of space and for nothing else; reads have a policy of their own', async () => {
    const { server, client, device, disk } = await session({ werror: 'enospc' });
    disk.fault = 'io';
    await expect(write(device)).rejects.toThrow('as the test wants it');
    disk.fault = 'no-space';
    await expect(read(device)).rejects.toThrow('as the test wants it');
    const waiting = write(device);
    await client.event('STOP');
    expect(await status(client)).toBe('nospace');
    expect(events(client)).toEqual([
      ioError('report', { nospace: false }),
      ioError('report', { operation: 'read', nospace: true, reason: 'No space left on device' }),
      ioError('stop', { nospace: true, reason: 'No space left on device' }),
    ]);
    disk.fault = undefined;
    await client.execute('cont');
    await waiting;
    expect(await status(client)).toBe('ok');
    await server.close();
  });

  test('a device that another client stopped by hand is not stopped twice, and its io-status is reset by cont', async () => {
    const { server, client, device, disk } = await session({ rerror: 'stop', werror: 'stop' });
    await client.execute('stop');
    disk.fault = 'io';
    const waiting = read(device);
    await client.event('BLOCK_IO_ERROR');
    expect(await client.execute('query-status')).toMatchObject({ status: 'paused' });
    expect(await status(client)).toBe('failed');
    disk.fault = undefined;
    await client.execute('cont');
    await waiting;
    expect(await status(client)).toBe('ok');
    expect(events(client)).toEqual(['STOP', 'RESUME']);
    await server.close();
  });
});

describe('block_passwd', () => {
  /** A daemon with an encrypted image on its command line. */
  async function encrypted(dir: { file(name: string): string }, body: (server: BlkServer, client: TestClient) => Promise<void>): Promise<void> {
    const maker = await testServer();
    maker.objects.add({ type: 'secret', id: 's', data: Buffer.from('sesame') });
    const create = { format: 'qcow2', size: 1 << 20, options: { encryption: true, 'encrypt.key-secret': 's' } };
    await maker.graph.create(dir.file('e.qcow2'), create);
    const written = await maker.addDevice('w', { driver: 'qcow2', encrypt: { 'key-secret': 's' }, file: { driver: 'file', filename: dir.file('e.qcow2') } });
    await written.write(0, Buffer.alloc(512, 7), 0, 512);
    await maker.close();
    const stop = new AbortController();
    const ended = await runDaemon(['-drive', `file=${dir.file('e.qcow2')},format=qcow2,if=none,id=d`], {
      program: 'PROGRAM', drivers, stderr: sink(), signal: stop.signal,
      ready: async (server) => {
        try {
          await body(server, await attach(server).negotiate());
        } finally {
          stop.abort();
        }
      },
    });
    expect(ended).toBe(0);
  }

  test('the machine waits for the password, and cont is refused before it', async () => {
    using dir = tempDir();
    await encrypted(dir, async (server, client) => {
      const info = async (): Promise<Message> => ((await client.execute('query-block')) as { inserted: Message }[])[0].inserted;
      expect(await client.execute('query-status')).toMatchObject({ status: 'prelaunch', running: false });
      expect(await info()).toMatchObject({ encrypted: true, encryption_key_missing: true, image: { encrypted: true } });
      await expect(client.execute('cont')).rejects.toThrow(`DeviceEncrypted: 'd' (${dir.file('e.qcow2')}) is encrypted`);
      const device = server.graph.backends.get('d')!;
      const buffer = new Uint8Array(512);
      await expect((async () => { await device.read(0, buffer, 0, 512); })()).rejects.toThrow('opened without a key');
      expect(await client.ask('block_passwd', { device: 'd', password: 'sesame' })).toEqual({ return: {} });
      expect(await info()).toMatchObject({ encrypted: true, encryption_key_missing: false });
      await device.read(0, buffer, 0, 512);
      expect(buffer[0]).toBe(7);
      await device.write(512, buffer, 0, 512);
      await client.execute('cont');
      expect(await client.execute('query-status')).toMatchObject({ status: 'running' });
      // Once more it does nothing.
      expect(await client.ask('block_passwd', { 'node-name': device.root.name, password: 'other' })).toMatchObject({ return: {} });
      await device.read(0, buffer, 0, 512);
      expect(buffer[0]).toBe(7);
    });
  });

  test('refusals', async () => {
    const { server, client } = await session({});
    const refused = async (args: object): Promise<string> => client.execute('block_passwd', args).then(String, (error: Error) => error.message);
    expect(await refused({ device: 'x', password: 'p' })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await refused({ 'node-name': 'x', password: 'p' })).toBe("GenericError: Cannot find device='' nor node-name='x'");
    expect(await refused({ device: 'd', 'node-name': 'n', password: 'p' })).toBe("GenericError: Only one of 'device' and 'node-name' may be given");
    expect(await refused({ password: 'p' })).toBe("GenericError: Cannot find device='' nor node-name=''");
    expect(await refused({ device: 'd', password: 'p' })).toBe("GenericError: Device 'd' is not encrypted");
    expect(await refused({ device: 'd' })).toBe("GenericError: Parameter 'password' is missing");
    await server.close();
  });
});
