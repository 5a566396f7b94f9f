// The test preset: tests read the sources of sibling packages, never a stale dist.
import { defineConfig } from 'vitest/config';

const conditions = ['@blk/source', 'module', 'node', 'development|production'];

/** Milliseconds. Only what hangs takes this long: how fast a machine is decides no test. */
const TIMEOUT = 120_000;

export const project = (test = {}) =>
  defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: ['@blk/source', 'node'] } },
    test: { include: ['test/**/*.test.ts'], testTimeout: TIMEOUT, hookTimeout: TIMEOUT, ...test },
  });
