#!/usr/bin/env node
// Bundles the generator in memory and runs it, so that it works in a fresh clone without a build.
import { build } from 'esbuild';
import { join } from 'node:path';

const { outputFiles } = await build({
  entryPoints: [join(import.meta.dirname, 'src/main.ts')],
  bundle: true,
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { main } = await import(`data:text/javascript;base64,${code}`);
process.exitCode = main(process.argv.slice(2), (line) => process.stderr.write(`${line}\n`));
