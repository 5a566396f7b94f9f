/** The header in which a server says how it wants to be told who asks (RFC 9110, section 11.6.1). */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By their names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** All of one or several headers joined by commas; what cannot be read is left out. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const item of header.match(ITEM) ?? []) {
    const [, scheme, name, quoted, plain] = PARTS.exec(item.trim()) ?? [];
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: Object.create(null) as Record<string, string> });
    const parameters = challenges[challenges.length - 1]?.parameters;
    if (name !== undefined && parameters !== undefined) parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, '$1') ?? plain;
  }
  return challenges;
}

/** What lies between commas; those in quotes do not count. */
const ITEM = /(?:"(?:[^"\\]|\\.)*"|[^,"])+/g;
/** A scheme, or a parameter, or a scheme and its first parameter. */
const PARTS = /^(?:([\w-]+)(?:\s+|$))?(?:([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?$/;
