// The pages of the commands show the help that the program gives.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COMMANDS } from '../src/img/all.js';
import { ours } from './img-support.js';

const docs = join(import.meta.dirname, '../../../docs/cli');

test.each(COMMANDS.map(({ name }) => name))('%s', async (name) => {
  const page = join(docs, `${name}.md`);
  expect(existsSync(page)).toBe(true);
  const text = readFileSync(page, 'utf8');
  const { stdout } = await ours([name, '--help'], { calledAs: 'blk' });
  expect(text).toContain(`\`\`\`\n${stdout}\`\`\`\n`);
  expect(text).toMatch(/exit code/i);
  expect(readFileSync(join(docs, 'README.md'), 'utf8')).toContain(`](${name}.md)`);
});
