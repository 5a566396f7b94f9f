// Builds the program: one small CommonJS file that starts at once, and a bundle for each tool that it loads when asked for.
// CommonJS, because it starts faster than modules do, and because only there the first line comes before the thread pool.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Modules that become bundles of their own, and the bundle that each lies in. */
const BUNDLES = { './img/short.js': 'short', './img/run.js': 'img', './img/all.js': 'img-all', './io/main.js': 'io', './nbd/main.js': 'nbd', './serve/run.js': 'serve' };

/** Lets the front load the bundles instead of taking their modules in. */
const separate = {
  name: 'separate-bundles',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/(img|io|nbd|serve)\// }, ({ path, importer }) =>
      importer.endsWith('src/main.ts') && path in BUNDLES ? { path: BUNDLES[path], namespace: 'bundle' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'bundle' }, ({ path }) => ({
      contents: `module.exports = require('./src/entry/load-bundle.ts').loadBundle('${path}');`,
      resolveDir: here,
    }));
  },
};

/** In a bundle, leaves out what is only loaded when it is needed: whoever needs it finds that it is missing. */
const nothingLater = {
  name: 'nothing-later',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === 'dynamic-import' && path !== 'koffi' && !path.startsWith('node:') ? { path, namespace: 'missing' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'missing' }, ({ path }) => ({
      contents: `globalThis[Symbol.for('blk.missed')] = true; throw new Error('${path} is not in this bundle');`,
    }));
  },
};

/** @param {Record<string, string>} entryPoints @param {import('esbuild').Plugin[]} plugins */
const bundle = (entryPoints, plugins, banner = '') =>
  build({
    absWorkingDir: here,
    entryPoints,
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minify: true,
    keepNames: false,
    legalComments: 'none',
    conditions: ['@blk/source', 'node'],
    external: ['koffi', 'ssh2'],
    // require() instead: import() of CommonJS reads the whole file once more, to look for names.
    supported: { 'dynamic-import': false },
    plugins,
    banner: { js: banner },
    // What is looked for beside a module is looked for beside the bundle, by `__filename`.
    logOverride: { 'empty-import-meta': 'silent' },
    logLevel: 'warning',
  });

export async function buildProgram() {
  // V8 looks only at a source's length before it believes a cache: none may outlive its bundle.
  if (existsSync(`${here}dist`)) {
    for (const name of readdirSync(`${here}dist`)) if (name.endsWith('.cache')) rmSync(`${here}dist/${name}`, { force: true });
  }
  await bundle({ blk: 'src/entry/blk.ts' }, [separate], '#!/usr/bin/env node');
  await bundle({ short: 'src/img/short.ts' }, [nothingLater]);
  await bundle({ img: 'src/img/run.ts', 'img-all': 'src/img/all.ts', io: 'src/io/main.ts', nbd: 'src/nbd/main.ts', serve: 'src/serve/run.ts' }, []);
  // For those who start the program by the name of a module.
  writeFileSync(`${here}dist/blk.js`, "#!/usr/bin/env node\nimport './blk.cjs';\n");
  for (const file of ['blk.cjs', 'blk.js']) chmodSync(`${here}dist/${file}`, 0o755);
  for (const name of ['short', 'img']) execFileSync(process.execPath, [`${here}compile-cache.mjs`, name], { env: { ...process.env, NODE_OPTIONS: '' } });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildProgram();
