// The build preset: the only file that knows the bundler.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

const { imports } = JSON.parse(readFileSync('package.json', 'utf8'));
// Of other packages the built types are read, not the sources again: half the time. Not where names of the package's own lead to what is built just now.
const types = imports === undefined ? { customConditions: [] } : {};

export const library = ({ entry = { index: 'src/index.ts' }, ...overrides } = {}) =>
  defineConfig({
    entry,
    format: ['esm'],
    target: 'node20',
    dts: { compilerOptions: { ignoreDeprecations: '6.0', ...types } },
    external: [/^@blk\//, /^#/],
    sourcemap: true,
    treeshake: true,
    clean: true,
    ...overrides,
  });
