// Media of devices, taken out, put in and exchanged, as query-block shows them; and the tray's event.
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BlockError, defineDriver, NO_LIMITS } from '@blk/core-graph';
import { hostCdrom, hostFloppy } from '@blk/drivers-file';
import { tempDir } from '@blk/oracle';
import { runDaemon, type BlkServer } from '../src/index.js';
import { attach, drivers, sink, testServer, type Message, type TestClient } from './support.js';

const NULL = { driver: 'null-co', size: 1 << 20 };

async function seen(client: TestClient): Promise<Message> {
  const [{ device, removable, locked, tray_open: open, inserted }] = (await client.execute('query-block')) as Message[];
  return { device, removable, locked, open, file: (inserted as Message | undefined)?.file, ro: (inserted as Message | undefined)?.ro };
}

const moves = (client: TestClient): unknown[] => client.messages.splice(0).filter(({ event }) => event === 'DEVICE_TRAY_MOVED').map(({ event, data }) => [event, data]);
const moved = (open: boolean): unknown => ['DEVICE_TRAY_MOVED', { device: 'd', 'tray-open': open }];

/** A daemon with a drive `d` that has no disc. */
async function emptyDrive(body: (server: BlkServer, client: TestClient) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const code = await runDaemon(['-drive', 'if=none,id=d'], {
    program: 'PROGRAM', drivers, stderr: sink(), signal: stop.signal,
    ready: async (server) => {
      try {
        await body(server, await attach(server).negotiate());
      } finally {
        stop.abort();
      }
    },
  });
  expect(code).toBe(0);
}

describe('a drive without a disc', () => {
  test('is there, has nothing in it, and refuses requests', async () => {
    await emptyDrive(async (server, client) => {
      expect(await seen(client)).toEqual({ device: 'd', removable: true, locked: false, open: false, file: undefined, ro: undefined });
      expect(await client.execute('query-blockstats')).toMatchObject([{ device: 'd', stats: { rd_bytes: 0 } }]);
      await expect(client.execute('block_resize', { device: 'd', size: 512 })).rejects.toThrow("GenericError: Device 'd' has no medium");
      await expect(client.execute('blockdev-snapshot-sync', { device: 'd', 'snapshot-file': '/nonexistent' })).rejects.toThrow("Device 'd' has no medium");
      expect(() => server.graph.backends.get('d')!.read(0, new Uint8Array(1), 0, 1)).toThrow('no medium');
      expect(await client.ask('eject', { device: 'd' })).toEqual({ return: {} });
    });
  });

  test('takes a node, and gives it back', async () => {
    await emptyDrive(async (server, client) => {
      await client.execute('blockdev-add', { ...NULL, 'node-name': 'disc' });
      await client.execute('blockdev-add', { ...NULL, 'node-name': 'other', 'read-only': true });
      const insert = async (name: string): Promise<string> => client.execute('blockdev-insert-medium', { id: 'd', 'node-name': name }).then(JSON.stringify, (error: Error) => error.message);
      expect(await insert('disc')).toBe("GenericError: Tray of device 'd' is not open");
      await client.execute('blockdev-open-tray', { id: 'd' });
      expect(await insert('nope')).toBe("GenericError: Node 'nope' not found");
      expect(await insert('disc')).toBe('{}');
      expect(await insert('disc')).toBe("GenericError: Node 'disc' is already in use");
      expect(await insert('other')).toBe("GenericError: There already is a medium in device 'd'");
      await client.execute('blockdev-close-tray', { device: 'd' });
      const device = server.graph.backends.get('d')!;
      await device.write(0, new Uint8Array(512), 0, 512);
      await expect(client.execute('blockdev-remove-medium', { id: 'd' })).rejects.toThrow("GenericError: Tray of device 'd' is not open");
      await client.execute('blockdev-open-tray', { device: 'd' });
      await client.execute('blockdev-open-tray', { device: 'd' });
      await client.execute('blockdev-remove-medium', { id: 'd' });
      await client.execute('blockdev-remove-medium', { id: 'd' });
      expect(await seen(client)).toMatchObject({ open: true, file: undefined });
      expect(server.graph.node('disc').parents.size).toBe(0);
      expect(await insert('other')).toBe('{}');
      expect(await seen(client)).toMatchObject({ ro: true });
      expect(moves(client)).toEqual([moved(true), moved(false), moved(true)]);
    });
  });
});

describe('eject, change and blockdev-change-medium', () => {
  test('exchange the medium; its counters stay, exports of it end', async () => {
    using dir = tempDir();
    for (const name of ['one', 'two']) writeFileSync(dir.file(name), Buffer.alloc(4096, name));
    const server = await testServer();
    const client = await attach(server).negotiate();
    const device = await server.addDevice('d', dir.file('one'), { format: 'raw' });
    await device.read(0, new Uint8Array(512), 0, 512);
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    await client.execute('nbd-server-add', { device: 'd' });
    expect(await client.ask('change', { device: 'd', target: dir.file('two'), arg: 'raw' })).toEqual({ return: {} });
    expect(server.exports.entries.size).toBe(0);
    expect(await client.event('BLOCK_EXPORT_DELETED')).toMatchObject({ data: { id: 'd' } });
    expect(await seen(client)).toMatchObject({ open: false, file: dir.file('two'), ro: false });
    const buffer = new Uint8Array(3);
    await device.read(0, buffer, 0, 3);
    expect(Buffer.from(buffer).toString()).toBe('two');
    expect(await client.execute('query-blockstats')).toMatchObject([{ stats: { rd_bytes: 515 } }]);
    await client.execute('blockdev-change-medium', { id: 'd', filename: dir.file('one'), format: 'raw', 'read-only-mode': 'read-only' });
    expect(await seen(client)).toMatchObject({ file: dir.file('one'), ro: true });
    await client.execute('blockdev-change-medium', { device: 'd', filename: dir.file('two'), format: 'raw' });
    expect(await seen(client)).toMatchObject({ file: dir.file('two'), ro: true });
    await client.execute('eject', { id: 'd', force: true });
    expect(await seen(client)).toMatchObject({ open: true, file: undefined });
    await client.execute('blockdev-change-medium', { device: 'd', filename: dir.file('two'), format: 'raw', 'read-only-mode': 'read-write' });
    expect(await seen(client)).toMatchObject({ open: false, file: dir.file('two'), ro: false });
    expect(moves(client)).toEqual([moved(true), moved(false), moved(true), moved(false), moved(true), moved(false), moved(true), moved(false)]);
    await server.close();
  });

  test('what cannot be opened leaves the medium in', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.addDevice('d', { ...NULL, 'node-name': 'n' });
    const refused = async (command: string, args: object): Promise<string> => client.execute(command, args).then(JSON.stringify, (error: Error) => error.message);
    expect(await refused('change', { device: 'd', target: dir.file('gone') })).toBe(`GenericError: Could not open '${dir.file('gone')}': No such file or directory`);
    expect(await refused('blockdev-change-medium', { device: 'd', filename: dir.file('gone'), format: 'nope' })).toBe("GenericError: Unknown driver 'nope'");
    for (const command of ['eject', 'blockdev-open-tray', 'blockdev-close-tray', 'blockdev-remove-medium']) {
      expect(await refused(command, {})).toBe("GenericError: Need exactly one of 'device' and 'id'");
      expect(await refused(command, { device: 'd', id: 'd' })).toBe("GenericError: Need exactly one of 'device' and 'id'");
      expect(await refused(command, { device: 'x' })).toBe("DeviceNotFound: Device 'x' not found");
    }
    expect(await refused('change', { device: 'x', target: 'y' })).toBe("DeviceNotFound: Device 'x' not found");
    expect(await seen(client)).toMatchObject({ open: false, ro: false });
    expect(client.messages).toEqual([]);
    await server.close();
  });

  test('an encrypted medium is in the device, and its password has to follow', async () => {
    using dir = tempDir();
    const server = await testServer();
    const client = await attach(server).negotiate();
    server.objects.add({ type: 'secret', id: 's', data: Buffer.from('p') });
    await server.graph.create(dir.file('e'), { format: 'qcow2', size: 1 << 20, options: { encryption: true, 'encrypt.key-secret': 's' } });
    await server.addDevice('d', { ...NULL, 'node-name': 'n' });
    await expect(client.execute('change', { device: 'd', target: dir.file('e'), arg: 'qcow2' })).rejects.toThrow(`DeviceEncrypted: 'd' (${dir.file('e')}) is encrypted`);
    expect(await client.execute('query-block')).toMatchObject([{ inserted: { encrypted: true, encryption_key_missing: true } }]);
    await client.execute('block_passwd', { device: 'd', password: 'p' });
    await server.graph.backends.get('d')!.write(0, new Uint8Array(512), 0, 512);
    await server.close();
  });
});

describe("a host's drive", () => {
  test.each(['host_cdrom', 'host_floppy'])('is opened as %s', async (driver) => {
    const server = await testServer({ drivers: [...drivers, hostCdrom, hostFloppy] });
    const client = await attach(server).negotiate();
    await expect(client.execute('blockdev-add', { driver, 'node-name': 'n', filename: '/nonexistent' })).rejects.toThrow("Could not open '/nonexistent': No such file or directory");
    await server.close();
  });

  test('moves its tray with that of the device, and keeps both closed while it is locked', async () => {
    const moved: boolean[] = [];
    let locked = true;
    const drive = defineDriver({
      name: 'drive',
      role: 'protocol',
      options: {},
      open: async () => ({
        size: 1 << 20,
        limits: NO_LIMITS,
        read: (_offset, buffer, start, length) => { buffer.fill(0, start, start + length); },
        medium: {
          inserted: true,
          moveTray: async (open) => {
            if (locked) throw new BlockError('busy', 'the tray is locked');
            moved.push(open);
          },
          lock: async () => undefined,
        },
        close: async () => undefined,
      }),
    });
    const stop = new AbortController();
    await runDaemon(['-drive', 'if=none,id=d,driver=raw,file.driver=drive,readonly=on'], {
      program: 'PROGRAM', drivers: [...drivers, drive], stderr: sink(), signal: stop.signal,
      ready: async (server) => {
        try {
          const client = await attach(server).negotiate();
          await expect(client.execute('eject', { device: 'd' })).rejects.toThrow('GenericError: the tray is locked');
          expect(await seen(client)).toMatchObject({ open: false });
          locked = false;
          await client.execute('blockdev-open-tray', { id: 'd' });
          await client.execute('blockdev-close-tray', { id: 'd' });
          await client.execute('eject', { device: 'd' });
          expect(moved).toEqual([true, false, true]);
          expect(await seen(client)).toMatchObject({ open: true, file: undefined });
        } finally {
          stop.abort();
        }
      },
    });
  });
});
