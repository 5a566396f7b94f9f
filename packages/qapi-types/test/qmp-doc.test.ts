/** docs/qmp.md has a row for every command, event and member of the contract, and the test that a row names knows them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contractRows, isHeading, rowText, tableText } from './qmp-doc.js';

const root = new URL('../../../', import.meta.url);
const page = new URL('docs/qmp.md', root);
const START = '<!-- contract -->\n';
const END = '<!-- end of contract -->\n';
const rows = contractRows();

// `BLK_UPDATE_DOCS=1 npx vitest run test/qmp-doc.test.ts` makes the table anew.
if (process.env['BLK_UPDATE_DOCS'] !== undefined) {
  const text = readFileSync(page, 'utf8');
  const [head] = text.split(START);
  const [, tail = ''] = text.split(END);
  writeFileSync(page, `${head}${START}\n${tableText(rows)}\n${END}${tail}`);
}

const text = readFileSync(page, 'utf8');
const table = text.slice(text.indexOf(START), text.indexOf(END)).split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what'));

describe('docs/qmp.md', () => {
  it('has the rows of the contract, in its order', () => {
    expect(table.map((line) => line.split(' | ')[0])).toEqual(rows.map((row) => rowText(row).split(' | ')[0]));
  });

  it('names a test for each of them, which is there and knows the name', () => {
    const wrong = table.flatMap((line, index) => {
      const row = rows[index];
      const path = /\]\(\.\.\/(packages\/[^)]+)\)/.exec(line)?.[1];
      if (path === undefined) return isHeading(row) ? [] : [line];
      if (!existsSync(new URL(path, root))) return [`${line}: there is no such test`];
      const content = readFileSync(new URL(path, root), 'utf8');
      return row.words.every((word) => content.includes(word)) ? [] : [`${line}: the test does not name it`];
    });
    expect(wrong).toEqual([]);
  });
});
