// Temporary folders of tests, removed when the test lets go of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder: `using dir = tempDir()` removes it at the end of the block. */
export interface TempDir extends Disposable {
  readonly path: string;
  /** The path of a name inside it. */
  file(name: string): string;
}

/** Makes a folder of its own under the system's temporary folder; short enough for the path of a unix socket. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), 'blk-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => { rmSync(path, { recursive: true, force: true }); },
  };
}
