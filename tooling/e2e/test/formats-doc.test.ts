// docs/formats.md names a test for every format, variant and operation: each of them has to be there, and drivers can do what the page says.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../src/index.js';

const page = readFileSync(join(ROOT, 'docs/formats.md'), 'utf8');
const table = page.slice(page.indexOf('<!-- formats: begin -->'), page.indexOf('<!-- formats: end -->'));
const sections = table.split(/^## /m).slice(1);

const HEAD = ['variant', 'read', 'write', 'create', 'check and repair', 'resize', 'bad input', 'other readers'];
/** Columns that a driver has code for, or not. */
const SOURCES: Readonly<Record<string, RegExp>> = {
  create: /^ {2}(async )?create\(|^ {2}create[:,]/m,
  resize: /^ {2,4}(async )?truncate(\(|:)/m,
  'check and repair': /^ {2,4}(async )?check(\(|:)|CheckOptions/m,
};

describe('docs/formats.md', () => {
  test('has every package of a format', () => {
    const named = sections.map((section) => section.split('\n')[0]).sort();
    // Formats come with a test of damaged images; protocols and filters have pages of their own. A directory as a disk is opened like a protocol, and is a format.
    const formats = readdirSync(join(ROOT, 'packages')).filter((name) => {
      const driver = join(ROOT, 'packages', name, 'src/driver.ts');
      return name.startsWith('drivers-') && existsSync(driver) && /role: 'format'|schemes: \['fat'\]/.test(readFileSync(driver, 'utf8'));
    });
    expect(named).toEqual(formats.sort());
  });

  test.each(sections.map((section) => [section.split('\n')[0], section] as const))('%s: every cell names a test that is there', (name, section) => {
    const rows = section.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
    const [head, ...variants] = rows;
    expect(head).toEqual(HEAD);
    expect(variants.length).toBeGreaterThan(0);
    const missing: string[] = [];
    for (const [variant, ...cells] of variants) {
      expect([variant, ...cells]).toHaveLength(HEAD.length);
      for (const cell of cells) {
        if (cell === '–') continue;
        const [, where = name, file = '', title = ''] = /^(?:(cli|e2e)\/)?([\w-]+): (.+)$/.exec(cell) ?? [];
        const path = join(ROOT, where === 'e2e' ? 'tooling' : 'packages', where, 'test', `${file}.test.ts`);
        const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
        // Titles are what a function follows, or the name of a suite.
        const titles = [...text.matchAll(/(?:(?:['"`](.*)['"`]\)?, (?:async|\(|\{))|name: '(.*?)')/g)].map(([, title, suite]) => title ?? suite ?? '');
        if (title === '' || !titles.some((each) => each.includes(title))) missing.push(`${variant}: ${cell}`);
      }
    }
    expect(missing).toEqual([]);
    // What no driver of the package has can't be shown by any test, and what it has is shown by one.
    for (const [column, code] of Object.entries(SOURCES)) {
      const shown = variants.some((cells) => cells[HEAD.indexOf(column)] !== '–');
      expect([column, code.test(sourceOf(name))]).toEqual([column, shown]);
    }
  });
});

function sourceOf(name: string): string {
  const folder = join(ROOT, 'packages', name, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
}
