// Leaves beside a bundle of short commands what V8 compiled of it, once they have run. A program of its own, because V8
// takes a cache only under the flags that it was made with.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const name = process.argv[2];
const filename = fileURLToPath(new URL(`dist/${name}.cjs`, import.meta.url));
const script = new Script(Module.wrap(readFileSync(filename, 'latin1')), { filename });
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, createRequire(filename), bundle, filename, dirname(filename));

const folder = mkdtempSync(join(tmpdir(), 'blk-build-'));
try {
  const io = { out() {}, err() {}, env: {}, signal: new AbortController().signal };
  const image = join(folder, 'image');
  for (const argv of [['create', image, '1M'], ['create', '-f', 'qcow2', image, '1M'], ['info', image], ['info', '--output=json', image]]) {
    const run = name === 'short' ? bundle.exports.runShort : bundle.exports.runImg;
    const code = await run({ name: 'blk', alias: false, io }, argv);
    if (code !== 0) throw new Error(`blk ${argv.join(' ')} failed while the program was built`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
writeFileSync(filename.replace(/\.cjs$/, `-${process.versions.v8}-${process.arch}.cache`), script.createCachedData());
