// Objects over QMP: each step was compared with the reference server, where it is installed.
import { skipUnless } from '@blk/oracle';
import { throttle } from '@blk/drivers-throttle';
import { describe, expect, test } from 'vitest';
import { addObject } from '../src/daemon/objects.js';
import { both, type Step } from './both.js';
import { attach, drivers, testServer, type Message } from './support.js';

const group = (id: string, more: object = {}): Step => ['object-add', { 'qom-type': 'throttle-group', id, ...more }];
const get = (property: string, path = '/objects/g1'): Step => ['qom-get', { path, property }];
const set = (value: unknown, property = 'limits', path = '/objects/g1'): Step => ['qom-set', { path, property, value }];
const filter = (name: string, more: object): Step => ['blockdev-add', { driver: 'throttle', 'node-name': name, file: { driver: 'null-co', 'read-zeroes': true }, ...more }];

const SCRIPT: readonly Step[] = [
  group('g0', { limits: { 'iops-total': 10 } }),
  group('g0'),
  group('g1', { limits: { 'iops-total': 10, 'iops-read': 4 } }),
  group('g1', { limits: { 'iops-total-max': 10 } }),
  group('g1', { limits: { 'iops-total': 10, 'iops-total-max-length': 0 } }),
  group('g1', { limits: { 'iops-total': -1 } }),
  group('g1', { limits: { 'iops-total': 5, 'iops-total-max-length': 2 ** 32 } }),
  group('g1', { foo: 1 }),
  group('g1', { limits: { foo: 1 } }),
  group('1g'),
  ['object-add', { 'qom-type': 'throttle-group' }],
  ['object-add', { 'qom-type': 'nonsense', id: 'g5' }],
  ['object-add', { id: 'g5' }],
  group('g1', { 'x-iops-total': 10, 'x-iops-total-max': 20, 'x-iops-total-max-length': 3 }),
  get('limits'),
  get('limits', 'g1'),
  get('x-iops-total'),
  get('x-iops-total-max-length'),
  get('type'),
  get('foo'),
  get('limits', '/objects/nn'),
  get('limits', 'nn'),
  set({ 'iops-total': 7 }),
  set({ 'bps-total': 7 }),
  get('limits'),
  set({ 'bps-read': 7 }),
  get('limits'),
  set({ 'bps-total': 0, 'bps-read': 7 }),
  set({ foo: 0 }),
  set(3),
  set({ 'iops-total': 'x' }),
  set({ 'iops-total': -4 }),
  set(4, 'x-iops-total'),
  set('x', 'type'),
  set('x', 'foo'),
  get('limits'),
  group('g7', { 'x-iops-total': 1, limits: { 'iops-total': 5 } }),
  get('limits', '/objects/g7'),
  filter('t0', {}),
  filter('t0', { 'throttle-group': 'nope' }),
  filter('t0', { 'throttle-group': 'g1' }),
  ['blockdev-add', { driver: 'throttle', 'node-name': 't1', 'throttle-group': 'g1' }],
  ['object-del', { id: 'g1' }],
  ['blockdev-del', { 'node-name': 't0' }],
  ['object-del', { id: 'g1' }],
  filter('t0', { 'throttle-group': 'g1' }),
  ['object-del', { id: 'g1' }],
  ['object-add', { 'qom-type': 'secret', id: 's0', data: 'letmein' }],
  get('type', '/objects/s0'),
  ['object-add', { 'qom-type': 'secret', id: 's1' }],
  ['object-add', { 'qom-type': 'secret', id: 's1', data: 'x', format: 'hex' }],
  ['object-del', { id: 's0' }],
  ['object-del', { id: 's0' }],
];

/** Lists in whichever order they come. */
const LISTS: readonly Step[] = [group('g0'), ['qom-list', { path: '/objects' }], ['qom-list', { path: '/objects/g0' }]];

const tools = skipUnless('qemu-storage-daemon');

describe.skipIf(tools.skip)(tools.title('beside the reference'), () => {
  test('every reply is the same', async () => {
    const { ours, theirs } = await both(() => Promise.resolve(), () => SCRIPT, { drivers: [...drivers, throttle] });
    expect(ours.map((reply, at) => [SCRIPT[at], reply])).toEqual(theirs.map((reply, at) => [SCRIPT[at], reply]));
  });

  test('lists of properties have the same entries', async () => {
    const { ours, theirs } = await both(() => Promise.resolve(), () => LISTS);
    const sorted = ({ return: list }: Message): unknown => [...(list as { name: string }[])].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const at of [1, 2]) expect(sorted(ours[at])).toEqual(sorted(theirs[at]));
  });
});

describe('objects', () => {
  test('a group made for a device is no object, and its name is taken', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    await client.execute('blockdev-add', { options: { driver: 'null-co', id: 'd0' } });
    const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
    await client.execute('block_set_io_throttle', { device: 'd0', iops: 5, ...none });
    await expect(client.execute(...group('d0'))).rejects.toThrow('GenericError: A group with this name already exists');
    expect(await client.execute('qom-list', { path: '/objects' })).toEqual([{ name: 'type', type: 'string' }]);
    // The other way round a device joins, and changes the limits of all.
    await client.execute(...group('g', { limits: { 'iops-total': 1 } }));
    await client.execute('block_set_io_throttle', { device: 'd0', iops: 99, group: 'g', ...none });
    expect(await client.execute('qom-get', { path: 'g', property: 'x-iops-total' })).toBe(99);
    await expect(client.execute('object-del', { id: 'g' })).rejects.toThrow("object 'g' is in use, can not be deleted");
  });

  test('secrets that are hidden are nobody’s to see or to remove', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    const id = server.objects.hide(new Uint8Array([1]));
    expect(await client.execute('qom-list', { path: '/objects' })).toEqual([{ name: 'type', type: 'string' }]);
    await expect(client.execute('object-del', { id })).rejects.toThrow('not found');
    await expect(client.execute('qom-get', { path: id, property: 'type' })).rejects.toThrow('DeviceNotFound');
  });

  test('come from --object in words and as JSON', async () => {
    await using server = await testServer();
    await addObject(server, 'throttle-group,id=a,limits.bps-total=5,x-iops-total=0x10');
    await addObject(server, '{"qom-type": "throttle-group", "id": "b", "limits": {"iops-read": 3}}');
    expect(server.graph.throttling.made('a')?.limits).toMatchObject({ 'bps-total': 5, 'iops-total': 16 });
    expect(server.graph.throttling.made('b')?.limits['iops-read']).toBe(3);
    await expect(addObject(server, 'throttle-group,id=c,limits.bps-total=x')).rejects.toThrow("Parameter 'limits.bps-total' expects");
    await expect(addObject(server, 'iothread,id=c')).rejects.toThrow("Objects of type 'iothread' are not supported");
  });
});
