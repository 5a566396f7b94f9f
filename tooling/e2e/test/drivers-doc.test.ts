// The README's table of drivers: all of the contract, and all that there are, in packages that are there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { driverNames } from '@blk/drivers-all';
import { ROOT } from '../src/index.js';

const page = readFileSync(join(ROOT, 'README.md'), 'utf8');
const rows = page.slice(page.indexOf('<!-- drivers: begin -->'), page.indexOf('<!-- drivers: end -->')).split('\n').filter((line) => line.startsWith('| `'));
const named = rows.map((row) => /^\| `(.*?)` \| (?:\[.*?\]\((.*?)\)|–)/.exec(row) ?? []);

test('the README has every driver of the contract first, then all others', () => {
  const schema = readFileSync(join(ROOT, 'packages/qapi-types/schema/block-core.json'), 'utf8');
  const list = /'enum': 'BlockdevDriver',\s*'data': \[([^\]]*)\]/.exec(schema)?.[1] ?? '';
  const contract = [...list.matchAll(/'(.*?)'/g)].map((match) => match[1]);
  expect(contract).toHaveLength(28);
  const names = named.map(([, name]) => name);
  expect(names.slice(0, 28)).toEqual([...contract].sort());
  expect([...names].sort()).toEqual([...driverNames].sort());
  for (const [, name, path] of named) {
    expect(existsSync(join(ROOT, path, 'README.md')), name).toBe(true);
  }
});

test('each row says what does not work, and behind a colon why', () => {
  for (const row of rows) {
    const [driver = '', , , not = '', tested = ''] = row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
    const complete = not === '–' || not === 'the same' || not.split('; ').every((what) => what.includes(': '));
    expect(complete, `${driver}: ${not}`).toBe(true);
    expect(tested, driver).not.toBe('');
  }
});
