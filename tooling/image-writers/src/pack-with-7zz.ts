/** Packing by 7zz, which has encoders that are not worth writing for tests. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { needTool, tempDir } from '@blk/oracle';

/** A bzip2 or xz stream; `options` are switches such as `-mx=1`. */
export function packWith7zz(format: 'bzip2' | 'xz', content: Uint8Array, options: readonly string[] = []): Uint8Array {
  using dir = tempDir();
  writeFileSync(dir.file('content'), content);
  execFileSync(needTool('7zz'), ['a', `-t${format}`, '-mmt=1', ...options, dir.file('packed.bin'), dir.file('content')], { stdio: 'ignore' });
  return new Uint8Array(readFileSync(dir.file('packed.bin')));
}
