// One run of all tests: each package and tool that has a vitest.config.ts is a project of it.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: ['packages/*/vitest.config.ts', 'tooling/*/vitest.config.ts'],
    // Much of what a test waits for is another process, so one worker would leave a core idle.
    maxWorkers: 2,
  },
});
