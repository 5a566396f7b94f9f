// The lint preset: for one package, and for all of them at once.
import { basename, dirname } from 'node:path';
import tseslint from 'typescript-eslint';
import { noAwaitCompletion } from './no-await-completion.js';

const blk = { rules: { 'no-await-completion': noAwaitCompletion } };

const SEEDED = 'Give fc.assert a seed: every run tries the same inputs.';

/** One package, rooted at `root`. */
export const project = (root) => config({ root, types: { projectService: true }, published: basename(dirname(root)) === 'packages' ? ['src/**/*.ts'] : [] });

/** All of them at once, whose types are found out together: a quarter of what it takes one by one. `root` has a tsconfig.json that names their files. */
export const workspace = (root) => [
  // Programs in JavaScript, whose tests are not checked for types.
  { ignores: ['tooling/{eslint-config,repo,skeleton}/**', '**/*.d.mts'] },
  ...config({ root, types: { project: ['./tsconfig.json'] }, published: ['packages/*/src/**/*.ts'] }),
];

const config = ({ root, types, published }) =>
  tseslint.config(
    { ignores: ['**/dist/**', '**/src/generated/**', '**/*.js', '**/*.mjs', '**/*.config.ts'] },
    ...tseslint.configs.recommendedTypeChecked,
    {
      languageOptions: { parserOptions: { ...types, tsconfigRootDir: root } },
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
        // A test that fails now and then, on another input each time, tells nobody what broke it.
        'no-restricted-syntax': [
          'error',
          { selector: 'CallExpression[callee.object.name="fc"][callee.property.name="assert"][arguments.length<2]', message: SEEDED },
          { selector: 'CallExpression[callee.object.name="fc"][callee.property.name="assert"] > ObjectExpression:not(:has(> Property[key.name="seed"], > SpreadElement))', message: SEEDED },
        ],
      },
    },
    // Only what is published: tests and tools may wait as they like.
    ...(published.length > 0 ? [{ files: published, plugins: { blk }, rules: { 'blk/no-await-completion': 'error' } }] : []),
  );
