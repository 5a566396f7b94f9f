// Leaves beside a bundle of short commands what V8 compiled of it, once they have run. A program of its own, because V8
// takes a cache only under the flags that it was made with.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  const short = [['create', image, '1M'], ['create', '-f', 'qcow2', image, '1M'], ['info', image], ['info', '--output=json', image]];
  // Data, then zeroes, and an end that is no whole piece.
  const disk = join(folder, 'disk');
  writeFileSync(disk, Buffer.alloc(9 * 1024 * 1024 + 512).fill('data', 0, 7 * 1024 * 1024));
  const copy = join(folder, 'copy');
  const files = join(folder, 'files');
  mkdirSync(join(files, 'some'), { recursive: true });
  writeFileSync(join(files, 'some', 'file.text'), 'data');
  const long = [
    ['convert', '-f', 'raw', '-O', 'raw', disk, copy],
    ['convert', '-n', '-f', 'raw', '-O', 'raw', disk, copy],
    ['convert', '-O', 'qcow2', disk, image],
    ['convert', '-O', 'raw', image, copy],
    ['convert', '-c', '-O', 'qcow2', disk, image],
    ['convert', '-O', 'raw', image, copy],
    ['convert', '-O', 'raw', `fat:${files}`, copy],
  ];
  for (const argv of name === 'short' ? short : [...short, ...long]) {
    const run = name === 'short' ? bundle.exports.runShort : bundle.exports.runImg;
    const code = await run({ name: 'blk', alias: false, io }, argv);
    if (code !== 0) throw new Error(`blk ${argv.join(' ')} failed while the program was built`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
writeFileSync(filename.replace(/\.cjs$/, `-${process.versions.v8}-${process.arch}.cache`), script.createCachedData());
