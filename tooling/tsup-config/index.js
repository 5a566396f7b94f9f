// The build preset: the only file that knows the bundler.
import { defineConfig } from 'tsup';

export const library = ({ entry = { index: 'src/index.ts' }, ...overrides } = {}) =>
  defineConfig({
    entry,
    format: ['esm'],
    target: 'node20',
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    external: [/^@blk\//, /^#/],
    sourcemap: true,
    treeshake: true,
    clean: true,
    ...overrides,
  });
