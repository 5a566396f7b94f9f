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
  /** Those that sections go by, which may have names of their own. */
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const group = /^\[(\S+)\s+"([^"]+)"/.exec(line) ?? /^\[([^\]]+)\]/.exec(line);
    if (group !== null) {
      const kind = kindOf(group[1]);
      const id = `${kind} ${group[2] ?? ''}`;
      if (group.length > 2 && names.has(id)) throw blkdebugError({ what: 'config', text: `Duplicate ID '${group[2]}' for ${kind}` });
      names.add(id);
      sections.push({ kind, values: {} });
      continue;
    }
    // A name ends at a blank, as it does in QEMU.
    const [, name, value] = /^\s*(\S+)\s+=\s*"([^"]*)"/.exec(line) ?? [];
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
