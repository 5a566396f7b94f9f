/** Loading zstd as WebAssembly: the package that has it is looked for from where this code lies, bundled or not. */
import type * as Zstd from '@foxglove/wasm-zstd';

export type ZstdModule = typeof Zstd;

/** There in modules that a bundler made CommonJS of. */
declare const __filename: string | undefined;

/** Path of the package's main file. */
export function zstdPath(): string {
  return require().resolve('@foxglove/wasm-zstd');
}

/** The package, ready to be used. */
export async function loadZstd(): Promise<ZstdModule> {
  const module = require()('@foxglove/wasm-zstd') as ZstdModule;
  await module.isLoaded;
  return module;
}

function require(): NodeJS.Require {
  const here = typeof __filename === 'string' ? __filename : import.meta.url;
  return process.getBuiltinModule('node:module').createRequire(here);
}
