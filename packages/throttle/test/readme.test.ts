import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clock, disk } from './readme-example.js';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it('the example stands in the README as it runs here', () => {
  expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme-example.ts')}\`\`\``);
  expect([disk.group?.name, disk.waiting]).toEqual(['backups', 0]);
  expect(clock.now()).toBeGreaterThan(0);
});
