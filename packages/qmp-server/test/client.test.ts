/** Our own client on our own server: what is typed is what comes. */
import { QmpClient } from '@blk/qmp-client';
import { expect, test } from 'vitest';
import { createServer } from '../src/index.js';
import { drivers } from './support.js';
import { duplexPair } from './duplex-pair.js';

test('queries, a node, an event, an error, the end', async () => {
  const server = await createServer({ drivers });
  const [ours, theirs] = duplexPair();
  server.addMonitor(theirs);
  const client = await QmpClient.over(ours);
  expect(client.greeting.version).toEqual(await client.execute('query-version'));
  await client.execute('blockdev-add', { options: { driver: 'null-co', id: 'disk', size: 2 ** 40, 'node-name': 'null0' } });
  const [{ device, inserted }] = await client.execute('query-block');
  expect([device, inserted?.drv, inserted?.image['virtual-size']]).toEqual(['disk', 'null-co', 2 ** 40]);
  await expect(client.execute('block_resize', { device: 'none', size: 1 })).rejects.toMatchObject({ name: 'QmpError', class: 'DeviceNotFound' });
  const shutdown = client.event('SHUTDOWN');
  await client.execute('quit');
  expect((await shutdown).event).toBe('SHUTDOWN');
  expect((await client.closed).failure).toBe('gone');
  await server.closed;
});
