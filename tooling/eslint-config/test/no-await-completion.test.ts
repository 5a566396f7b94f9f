import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';
import { noAwaitCompletion } from '../no-await-completion.js';

describe('blk/no-await-completion', () => {
  it('reports a completion awaited in a loop, and nothing else', () => {
    const root = join(import.meta.dirname, 'fixtures');
    const file = join(root, 'sample.ts');
    const text = readFileSync(file, 'utf8');
    const expected = text.split('\n').flatMap((line, i) => (/; \/\/ reported$/.test(line) ? [i + 1] : []));
    const messages = new Linter({ cwd: root }).verify(
      text,
      {
        files: ['**/*.ts'],
        languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true, tsconfigRootDir: root } },
        plugins: { blk: { rules: { it: noAwaitCompletion } } },
        rules: { 'blk/it': 'error' },
      },
      { filename: file },
    );
    expect(messages.filter((m) => m.ruleId !== 'blk/it')).toEqual([]);
    expect(expected.length).toBeGreaterThan(5);
    expect(messages.map((m) => m.line)).toEqual(expected);
  });
});
