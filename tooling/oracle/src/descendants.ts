// Which processes a process has started.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** All processes that `pid` has started, and those that they have. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name of the program, in parentheses, may have any character in it.
      const [, parent] = readFileSync(join('/proc', name, 'stat'), 'latin1').replace(/^.*\) /s, '').split(' ');
      parents.set(Number(name), Number(parent));
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid];
  for (const each of found) for (const [child, parent] of parents) if (parent === each) found.push(child);
  return found.slice(1);
}
