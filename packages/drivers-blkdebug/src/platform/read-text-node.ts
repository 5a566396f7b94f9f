/** Reading a file of rules, in Node. */
import { readFile } from 'node:fs/promises';

/** The whole file. Throws what the system says. */
export function readText(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
