// The test preset: tests read the sources of sibling packages, never a stale dist.
import { defineConfig } from 'vitest/config';

const conditions = ['@blk/source', 'module', 'node', 'development|production'];

export const project = (test = {}) =>
  defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: ['@blk/source', 'node'] } },
    test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, ...test },
  });
