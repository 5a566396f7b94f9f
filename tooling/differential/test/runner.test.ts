// The runner itself: it takes scripts apart, hides only what it should, and finds what differs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { skipUnless } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { ACCEPTED, acceptedBy } from '../src/accepted.js';
import { mask } from '../src/mask.js';
import { describeDifferences } from '../src/report.js';
import { runAll, unusedRules } from '../src/run-all.js';
import { parseScript } from '../src/scenario.js';
import { allGroups, sample } from '../src/sets.js';
import { quote, splitWords } from '../src/words.js';

const fixtures = new Map([['disk', ['ref qemu-img create -q -f raw d 1M']]]);

describe('scripts', () => {
  test('words, quotes and input', () => {
    expect(splitWords(`qemu-io -c "read 0 1" 'a"b' "" x`)).toEqual({ words: ['qemu-io', '-c', 'read 0 1', 'a"b', '', 'x'], input: undefined });
    expect(splitWords('qemu-io d <<< length\\nq\\n')).toEqual({ words: ['qemu-io', 'd'], input: 'length\nq\n' });
    expect(() => splitWords('a "b')).toThrow('not closed');
    for (const word of ['', 'a b', '"', 'plain', "it's"]) expect(splitWords(quote(word)).words).toEqual([word]);
  });

  test('one scenario a line, behind the same set-up', () => {
    const scenarios = parseScript('== some [each]\nuse disk\nqemu-img info d\nqemu-img map d\n', fixtures);
    expect(scenarios.map(({ title }) => title)).toEqual(['some: qemu-img info d', 'some: qemu-img map d']);
    expect(scenarios.map(({ head, lines }) => [head.length, lines.length])).toEqual([[1, 1], [1, 1]]);
  });

  test('a script that says nothing, or uses what is not there, is refused', () => {
    expect(() => parseScript('== empty\nuse disk\n', fixtures)).toThrow('nothing is compared');
    expect(() => parseScript('== lost\nuse nothing\nqemu-img info d\n', fixtures)).toThrow('no fixture');
    expect(() => parseScript('qemu-img info d\n', fixtures)).toThrow('begins with');
  });

  test('several hundred scenarios, and every group in the sample', () => {
    const groups = allGroups();
    const all = groups.flatMap(({ scenarios }) => scenarios);
    expect(all.length).toBeGreaterThan(500);
    expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
    const some = new Set(sample(groups, 15));
    for (const { name, scenarios } of groups) expect(scenarios.some((scenario) => some.has(scenario)), name).toBe(true);
  });
});

test('clocks, folders and sizes on the host are hidden, and nothing else', () => {
  const text = 'image: /tmp/x/a/d\ndisk size: 4 KiB\n512 bytes, 1 ops; 00.00 sec (9.1 MiB/sec and 3.2 ops/sec)\nvirtual size: 1 MiB\n';
  expect(mask(text, '/tmp/x/a')).toBe('image: DIR/d\ndisk size: SIZE\n512 bytes, 1 ops; TIME\nvirtual size: 1 MiB\n');
  const counters = ['0:00:00.00,857255444.424,817.542', '0:00:00.00,inf,inf', '0:01:02.50,16777.216,0.016'].map((times) => `1048576,1,${times}\n`);
  expect(mask(counters.join(''), '/tmp/x/a')).toBe('1048576,1,TIME\n'.repeat(3));
  expect(mask('1048576,1,0:00:00.00,infinite,1\n', '/tmp/x/a')).toContain('infinite');
});

const needs = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(needs.skip)(needs.title('finding differences'), () => {
  const script = '== one\nuse disk\nqemu-img info d\n== two\nuse disk\nqemu-img create -f bogus x 1M\n';

  test('none where there are none', async () => {
    const result = await runAll(parseScript(script, fixtures), { rules: [] });
    expect(describeDifferences(result.differences)).toBe('');
    expect(result.scenarios).toBe(2);
  });

  test('in words, codes, files and content, where one side is another disk', async () => {
    const [one] = parseScript('== one\nuse disk\nqemu-img info d\nqemu-io -f raw -c "write -P 1 0 512" d\n', fixtures);
    const spoilt = { ...one, spoil: 'fill d 4096 10 7' };
    const { differences } = await runAll([spoilt], { rules: [] });
    expect(differences.map(({ part }) => part)).toEqual(['d: content']);
    const { differences: more } = await runAll([{ ...one, spoil: 'rm d' }], { rules: [] });
    expect(more.map(({ part }) => part)).toEqual(expect.arrayContaining(['code', 'stdout', 'stderr', 'files']));
  });

  test('a rule accepts what it describes, and one that is not needed is reported', async () => {
    const [one] = parseScript('== one\nuse disk\nqemu-io -f raw -c "write -P 1 0 512" d\n', fixtures);
    const rule = { id: 'spoilt', reason: '', line: /./, part: /content$/, ours: /./, theirs: /./ };
    const idle = { ...rule, id: 'idle', part: /^never$/ };
    const result = await runAll([{ ...one, spoil: 'fill d 4096 10 7' }], { rules: [idle, rule] });
    expect(result.differences).toEqual([]);
    expect(unusedRules(result, [idle, rule])).toEqual(['idle']);
  });
});

test('every accepted difference is told in docs/compatibility.md, with its reason', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/compatibility.md'), 'utf8');
  for (const { id, reason } of ACCEPTED) expect(page).toContain(`| ${id} | ${reason} |`);
  const [section] = page.slice(page.indexOf('\n## Differences\n') + 1).split('\n## ', 1);
  const listed = [...section.matchAll(/^\| ([a-z0-9-]+) \| (?!---)/gm)].map((match) => match[1]).filter((id) => id !== 'rule');
  expect(listed).toEqual(ACCEPTED.map(({ id }) => id));
  expect(acceptedBy({ scenario: '', line: 'qemu-img info nothing', part: 'code', ours: '1', theirs: '0' })).toBeUndefined();
});
