// Bundles the harness from its sources, and the image benchmark from the packages as they are built.
import { build } from 'esbuild';

const common = { bundle: true, platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline', logLevel: 'error', outdir: 'dist' };
await build({ ...common, entryPoints: ['src/main.ts'] });
// What is measured is what is published: @blk packages stay outside and are found in their dist.
await build({ ...common, entryPoints: ['src/image-bench.ts'], packages: 'external' });
