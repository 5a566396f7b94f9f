import { expect, test } from 'vitest';
import { BlockGraph } from '@blk/core-graph';
import { allDrivers, driverLoaders, driverNames } from '../src/index.js';

test('the loaders load what the list holds, each under its own name', async () => {
  const loaded = await Promise.all(Object.values(driverLoaders).map((load) => load()));
  expect(loaded.map(({ name }) => name)).toEqual(driverNames);
  expect(new Set(loaded)).toEqual(new Set(allDrivers));
});

test('a graph takes them all', async () => {
  const graph = new BlockGraph({ drivers: allDrivers });
  const node = await graph.open({ driver: 'raw', file: { driver: 'null-co', size: 65536, 'read-zeroes': true } });
  expect(node.size).toBe(65536);
  await graph.close();
});
