/** The README names each function that does something to an image, by the name that it has. */
import { readFileSync } from 'node:fs';
import { BlockGraph } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import * as image from '../src/index.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('every function that is given an image is in the table, and nothing else is', () => {
  const table = readme.slice(readme.indexOf('## Supports'), readme.indexOf('## Options'));
  const named = new Set([...table.matchAll(/^\| (`[^|]*) \|/gm)].flatMap((row) => [...row[1].matchAll(/`(\w+)`/g)].map((name) => name[1])));
  const exported = Object.keys(image);
  expect(exported.filter((name) => /(Image|Snapshots|Bitmap)$/.test(name) && !named.has(name))).toEqual([]);
  expect([...named].filter((name) => !exported.includes(name))).toEqual([]);
});

test('a check is asked for, and answers, as shown', async () => {
  using dir = tempDir();
  const graph = new BlockGraph({ drivers: [file, qcow2] });
  await graph.create(dir.file('disk.qcow2'), { format: 'qcow2', size: 1 << 20 });
  const found: string[] = [];
  const report = await image.checkImage(graph, dir.file('disk.qcow2'), { repair: 'all', finding: (text) => found.push(text) });
  expect([report.corruptions ?? 0, report.leaks ?? 0, report['corruptions-fixed'] ?? 0, found]).toEqual([0, 0, 0, []]);
  await graph.close();
});
