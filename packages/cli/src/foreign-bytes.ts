/** Arguments that are no text: file names are bytes, and Node knows them only as UTF-8. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

/** What stands in the place of bytes that are no UTF-8; rarely itself. */
const REPLACED = '\ufffd';

/** Whether a name on the command line is not the one that was given: another file would be opened, or made. */
export function hasForeignBytes(argv: readonly string[]): boolean {
  if (!argv.some((word) => word.includes(REPLACED))) return false;
  try {
    return !isUtf8(readFileSync('/proc/self/cmdline'));
  } catch {
    // Other systems have names of characters.
    return false;
  }
}
