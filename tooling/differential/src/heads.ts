// Folders as set-up leaves them, made once for all scenarios that begin alike, and copied for each side.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@blk/oracle';
import { setUp } from './setup.js';

export class Heads {
  readonly #made = new Map<string, Promise<string>>();
  #count = 0;

  constructor(private readonly folder: string) {}

  /** Copies what the lines make into `target`, which must not be there yet. Holes stay holes. */
  async copyTo(lines: readonly string[], target: string): Promise<void> {
    if (lines.length === 0) {
      mkdirSync(target);
      return;
    }
    const source = await this.#make(lines);
    const result = await run('cp', ['-a', '--sparse=always', source, target]);
    if (result.code !== 0) throw new Error(result.stderr);
  }

  #make(lines: readonly string[]): Promise<string> {
    const key = lines.join('\n');
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#build(lines, join(this.folder, `head-${this.#count++}`));
    this.#made.set(key, made);
    return made;
  }

  /** From the longest beginning that is there already. */
  async #build(lines: readonly string[], folder: string): Promise<string> {
    let length = lines.length - 1;
    while (length > 0 && !this.#made.has(lines.slice(0, length).join('\n'))) length--;
    await this.copyTo(lines.slice(0, length), folder);
    for (const line of lines.slice(length)) await setUp(folder, line);
    return folder;
  }
}
