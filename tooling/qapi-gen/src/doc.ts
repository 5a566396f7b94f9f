/**
 * Doc comments of QAPI: `@name:` at the top, `@member:` paragraphs, tagged sections (`Since:`, `Returns:`, …).
 */

/** One parsed doc block. */
export interface Doc {
  /** The name after the first `@`; undefined in a free-form block. */
  readonly symbol: string | undefined;
  readonly body: string;
  readonly members: ReadonlyMap<string, string>;
  readonly since: string | undefined;
}

/** Parses the text between the two `##` lines, comment marks taken off. */
export function parseDoc(text: string): Doc {
  const members = new Map<string, string>();
  const body: string[] = [];
  let symbol: string | undefined;
  let since: string | undefined;
  let open: string | undefined;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    const tag = /^@([\w.-]+):\s*(.*)$/.exec(line);
    const section = /^Since:?\s+(\S.*)$/.exec(line);
    if (tag !== null && symbol === undefined && members.size === 0 && body.length === 0) {
      symbol = tag[1];
      if (tag[2] !== '') body.push(tag[2]);
    } else if (tag !== null) {
      open = tag[1]!;
      members.set(open, tag[2]);
    } else if (section !== null) {
      since = section[1];
      open = undefined;
    } else if (line === '') {
      open = undefined;
      if (body.length > 0) body.push('');
    } else if (open !== undefined) {
      members.set(open, `${members.get(open)!} ${line}`.trim());
    } else {
      body.push(line);
    }
  }
  return { symbol, body: body.join('\n').trim(), members, since };
}
