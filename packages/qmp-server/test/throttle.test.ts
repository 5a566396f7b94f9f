// Limits of I/O over QMP. Where a reply is compared word for word, it is what QEMU 7.2 answered to the same.
import { ManualClock } from '@blk/core-graph';
import { validateCommandReturn } from '@blk/qapi-types';
import { describe, expect, test } from 'vitest';
import { addDrive } from '../src/daemon/drive.js';
import { attach, testServer, type TestClient } from './support.js';

const NONE = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
const SECOND = 1e9;

async function session(): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient; clock: ManualClock }> {
  const clock = new ManualClock();
  const server = await testServer({ host: { clock } });
  const client = await attach(server).negotiate();
  for (const id of ['d0', 'd1']) await client.execute('blockdev-add', { options: { driver: 'null-co', id, 'node-name': `n-${id}` } });
  return { server, client, clock };
}

const limit = (client: TestClient, args: object): Promise<unknown> => client.execute('block_set_io_throttle', { device: 'd0', ...NONE, ...args });

/** What a description tells of limits. */
function limitsIn(info: unknown): unknown {
  return Object.fromEntries(Object.entries(info as object).filter(([name]) => /^b?i?o?ps|group/.test(name)));
}

async function shown(client: TestClient): Promise<unknown[]> {
  const devices = (await client.execute('query-block')) as { inserted: object }[];
  validateCommandReturn('query-block', devices);
  return devices.map(({ inserted }) => limitsIn(inserted));
}

describe('block_set_io_throttle', () => {
  test('sets limits, which query-block and query-named-block-nodes show, and takes them away', async () => {
    const { server, client } = await session();
    expect(await shown(client)).toEqual([NONE, NONE]);
    expect(await limit(client, { bps: 10, bps_max: 20, bps_max_length: 5 })).toEqual({});
    expect(await shown(client)).toEqual([{ ...NONE, bps: 10, bps_max: 20, bps_max_length: 5, group: 'd0' }, NONE]);
    await limit(client, { bps_rd: 5, iops_wr: 7, iops_wr_max: 9, iops_size: 4096 });
    const all = { ...NONE, bps_rd: 5, iops_wr: 7, iops_wr_max: 9, iops_wr_max_length: 1, iops_size: 4096, group: 'd0' };
    expect(await shown(client)).toEqual([all, NONE]);
    const nodes = (await client.execute('query-named-block-nodes')) as { 'node-name': string }[];
    expect(validateCommandReturn('query-named-block-nodes', nodes)).toEqual(nodes);
    expect(nodes.map((node) => [node['node-name'], limitsIn(node)])).toEqual([['n-d1', NONE], ['n-d0', all]]);
    await limit(client, { group: 'whatever' });
    expect(await shown(client)).toEqual([NONE, NONE]);
    await server.close();
  });

  test('shares limits in a group; the last ones win; moving changes the new group only', async () => {
    const { server, client } = await session();
    await limit(client, { iops: 50, group: 'g' });
    await limit(client, { device: 'd1', iops: 10, group: 'g' });
    expect(await shown(client)).toEqual([{ ...NONE, iops: 10, group: 'g' }, { ...NONE, iops: 10, group: 'g' }]);
    await limit(client, { device: 'd1', iops: 30 });
    expect(await shown(client)).toEqual([{ ...NONE, iops: 30, group: 'g' }, { ...NONE, iops: 30, group: 'g' }]);
    await limit(client, { bps_rd: 5, group: '' });
    expect(await shown(client)).toEqual([{ ...NONE, bps_rd: 5, group: '' }, { ...NONE, iops: 30, group: 'g' }]);
    await limit(client, {});
    expect(await shown(client)).toEqual([NONE, { ...NONE, iops: 30, group: 'g' }]);
    await server.close();
  });

  test.each([
    [{ device: 'nope', bps: 1, bps_rd: 1 }, "DeviceNotFound: Device 'nope' not found"],
    [{ device: undefined, id: 'nope' }, "DeviceNotFound: Device 'nope' not found"],
    [{ id: 'd0' }, "GenericError: Need exactly one of 'device' and 'id'"],
    [{ bps: 1, bps_rd: 1 }, 'GenericError: bps/iops/max total values and read/write values cannot be used at the same time'],
    [{ bps: -1 }, 'GenericError: bps/iops/max values must be within [0, 1000000000000000]'],
    [{ bps_max: 5 }, 'GenericError: bps_max/iops_max require corresponding bps/iops values'],
    [{ bps: 10, bps_max: 5 }, 'GenericError: bps_max/iops_max cannot be lower than bps/iops'],
    [{ iops_size: 4096 }, 'GenericError: iops size requires an iops value to be set'],
    [{ bps: 10, bps_max_length: 0 }, 'GenericError: the burst length cannot be 0'],
    [{ bps: 10, bps_max_length: 5 }, 'GenericError: burst length set without burst rate'],
    [{ bps: 1.5 }, "GenericError: Invalid parameter type for 'bps', expected: integer"],
    [{ bps_rd: undefined }, "GenericError: Parameter 'bps_rd' is missing"],
  ])('refuses %j: %s', async (args, text) => {
    const { server, client } = await session();
    await limit(client, { iops: 3 });
    await expect(limit(client, args)).rejects.toThrow(new Error(text));
    expect(await shown(client)).toEqual([{ ...NONE, iops: 3, group: 'd0' }, NONE]);
    await server.close();
  });

  test('refuses a rate beyond 64 bits of a number with the words for a rate', async () => {
    const { server, client } = await session();
    client.send(`{"execute":"block_set_io_throttle","arguments":${JSON.stringify({ device: 'd0', ...NONE }).replace('"bps":0', '"bps":9223372036854775807')}}`);
    expect(await client.reply()).toMatchObject({ error: { desc: 'bps/iops/max values must be within [0, 1000000000000000]' } });
    await server.close();
  });

  test('holds over the time of the server’s clock, and for nobody longer than the server lives', async () => {
    const { server, client, clock } = await session();
    await limit(client, { iops: 100 });
    const backend = server.graph.backends.get('d0');
    let done = 0;
    let over = false;
    const busy = async (): Promise<void> => {
      while (!over) {
        await backend?.read(0, new Uint8Array(512), 0, 512);
        done++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const clients = [1, 2, 3, 4].map(busy);
    while (clock.now() < 10 * SECOND) {
      clock.advance(0.005 * SECOND);
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Math.abs(done / 1000 - 1)).toBeLessThan(0.02);
    const stats = (await client.execute('query-blockstats')) as { device: string; stats: { rd_operations: number; rd_total_time_ns: number } }[];
    expect(stats[0].stats.rd_operations).toBe(done);
    // Four wait for a hundredth of a second each: a request takes about four of them.
    expect(stats[0].stats.rd_total_time_ns / done).toBeGreaterThan(0.03 * SECOND);
    over = true;
    await server.close();
    await Promise.allSettled(clients);
    expect(clock.pending).toBe(0);
  });
});

describe('-drive', () => {
  test('takes limits, by their names of today and of old', async () => {
    const { server, client } = await session();
    await addDrive(server.graph, 'driver=null-co,id=a,iops=5,iops_max=6,throttling.group=g', 0);
    await addDrive(server.graph, 'driver=null-co,id=b,throttling.bps-read=5,throttling.bps-read-max=0x10,throttling.bps-read-max-length=3,group=h', 1);
    await addDrive(server.graph, 'driver=null-co,id=c,throttling.group=unused', 2);
    expect((await shown(client)).slice(2)).toEqual([
      { ...NONE, iops: 5, iops_max: 6, iops_max_length: 1, group: 'g' },
      { ...NONE, bps_rd: 5, bps_rd_max: 16, bps_rd_max_length: 3, group: 'h' },
      NONE,
    ]);
    await server.close();
  });

  test.each([
    ['throttling.iops-total=5,throttling.iops-read=3', 'bps/iops/max total values and read/write values cannot be used at the same time'],
    ['bps=-1', 'bps/iops/max values must be within [0, 1000000000000000]'],
    ['bps=x', "Parameter 'throttling.bps-total' expects a number"],
    ['iops_size=4k', "Parameter 'throttling.iops-size' expects a number"],
    ['iops=5,throttling.iops-total=6', "'throttling.iops-total' and its alias 'iops' can't be used at the same time"],
    ['throttling.iops-total-max-length=0', 'the burst length cannot be 0'],
  ])('refuses %s', async (options, text) => {
    const { server } = await session();
    await expect(addDrive(server.graph, `driver=null-co,id=a,${options}`, 0)).rejects.toThrow(text);
    expect(server.graph.backends.has('a')).toBe(false);
    await server.close();
  });
});
