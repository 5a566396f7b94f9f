/**
 * Loads a bundle that lies beside the program. Most of the time that a short command takes would be V8's, compiling; so the
 * build leaves what V8 made of the bundle beside it (`compile-cache.mjs`). Where this is another V8, it compiles as usual.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { Script } from 'node:vm';

type Loader = (exports: object, require: NodeJS.Require, module: { exports: object }, filename: string, dirname: string) => void;

/** What the bundle exports. `name` has no suffix. */
export function loadBundle(name: string): object {
  const filename = `${__dirname}/${name}.cjs`;
  const require = createRequire(filename);
  let cachedData: Buffer;
  try {
    cachedData = readFileSync(`${__dirname}/${name}-${process.versions.v8}-${process.arch}.cache`);
  } catch {
    return require(filename) as object;
  }
  // The bundler writes ASCII, which is the quickest to read. V8 itself refuses a cache that does not fit, for flags say.
  const script = new Script(Module.wrap(readFileSync(filename, 'latin1')), { filename, cachedData });
  const module = { exports: {} };
  (script.runInThisContext() as Loader)(module.exports, require, module, filename, __dirname);
  return module.exports;
}
