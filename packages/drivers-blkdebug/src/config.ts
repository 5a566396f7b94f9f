/**
 * Files of rules: sections `[inject-error]` and `[set-state]`, each with lines `name = "value"`; lines that begin with `#` are
 * comments (QEMU, docs/devel/blkdebug). What stands behind a value in quotes is not looked at.
 */
import { blkdebugError } from './errors.js';

export interface Section {
  readonly kind: 'inject-error' | 'set-state';
  readonly values: Readonly<Record<string, string>>;
}

/** Throws where a line is neither a section, a value, a comment nor blank. */
export function parseConfig(text: string): Section[] {
  const sections: { kind: Section['kind']; values: Record<string, string> }[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const group = /^\[([^\s"\]]+)(?: "([^"]*)")?\]/.exec(line);
    if (group !== null) {
      sections.push({ kind: kindOf(group[1]), values: {} });
      continue;
    }
    const [, name, value] = /^\s*([^\s=]+)\s*=\s*"([^"]*)"/.exec(line) ?? [];
    const last = sections.at(-1);
    if (name === undefined) throw refused(line, last !== undefined);
    if (last === undefined) throw blkdebugError({ what: 'config', text: 'no group defined' });
    last.values[name] = value;
  }
  return sections;
}

function kindOf(name: string): Section['kind'] {
  if (name === 'inject-error' || name === 'set-state') return name;
  throw blkdebugError({ what: 'config', text: `There is no option group '${name}'` });
}

function refused(line: string, inside: boolean): Error {
  if (line.trim() === '' || inside) return blkdebugError({ what: 'config', text: `parse error: '${line.trim()}' is not of the form name = "value"` });
  return blkdebugError({ what: 'config', text: line.startsWith('[') ? `parse error: '${line}' names no section` : 'no group defined' });
}
