// Errors injected by rules that come over QMP.
import { expect, test } from 'vitest';
import { DEBUG_EVENTS } from '@blk/core-graph';
import { blkdebug } from '@blk/drivers-blkdebug';
import { attach, drivers, testServer } from './support.js';

test('blkdebug takes every moment by today’s name, every kind of request and all limits', async () => {
  await using server = await testServer({ drivers: [...drivers, blkdebug] });
  const client = await attach(server).negotiate();
  const rules = [...DEBUG_EVENTS, 'none', 'l1_shrink_write_table', 'l1_shrink_free_l2_clusters', 'cluster_alloc_space'].map((event) => ({ event, errno: 28, once: true }));
  const kinds = ['read', 'write', 'write-zeroes', 'discard', 'flush', 'block-status'].map((iotype) => ({ event: 'none', iotype, state: 2 }));
  await client.execute('blockdev-add', {
    driver: 'blkdebug', 'node-name': 'n', image: { driver: 'null-co', size: 1 << 20 }, 'inject-error': [...rules, ...kinds],
    'set-state': [{ event: 'write_aio', state: 1, new_state: 2 }], align: 512, 'max-transfer': 65536, 'opt-write-zero': 4096, 'max-write-zero': 8192, 'opt-discard': 512, 'max-discard': 4096,
  });
  const node = server.graph.findNode('n');
  const write = async (): Promise<void> => node?.write(0, new Uint8Array(512), 0, 512);
  // Of the rules of one request, the first one that has something against it.
  await expect(write()).rejects.toMatchObject({ kind: 'no-space' });
  await expect(client.execute('blockdev-add', { driver: 'blkdebug', 'node-name': 'x', image: 'n', 'inject-error': [{ event: 'lunch' }] })).rejects.toThrow(/event/);
});
