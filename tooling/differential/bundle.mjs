// Bundles the runner together with the program's sources, so that what is compared is what the working tree says.
import { build } from 'esbuild';

await build({
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  logLevel: 'error',
  outdir: 'dist',
  entryPoints: ['src/main.ts'],
  conditions: ['@blk/source', 'node'],
  external: ['koffi', 'ssh2'],
  banner: { js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);" },
});
