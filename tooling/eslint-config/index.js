// The lint preset shared by every package.
import { basename, dirname } from 'node:path';
import tseslint from 'typescript-eslint';
import { noAwaitCompletion } from './no-await-completion.js';

const blk = { rules: { 'no-await-completion': noAwaitCompletion } };

export const project = (root) =>
  tseslint.config(
    { ignores: ['dist/**', 'src/generated/**', '**/*.js', '**/*.mjs', '*.config.ts'] },
    ...tseslint.configs.recommendedTypeChecked,
    {
      languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
      linterOptions: { reportUnusedDisableDirectives: 'error' },
      rules: {
        'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
        '@typescript-eslint/no-explicit-any': 'error',
        '@typescript-eslint/consistent-type-imports': 'error',
        '@typescript-eslint/no-floating-promises': 'error',
        '@typescript-eslint/require-await': 'off',
        '@typescript-eslint/no-invalid-void-type': 'off',
        '@typescript-eslint/restrict-template-expressions': 'off',
        '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
        'no-console': 'error',
      },
    },
    // Only what is published: tests and tools may wait as they like.
    ...(basename(dirname(root)) === 'packages'
      ? [{ files: ['src/**/*.ts'], plugins: { blk }, rules: { 'blk/no-await-completion': 'error' } }]
      : []),
  );
