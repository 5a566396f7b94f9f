/** The header that says which part of a file an answer holds (RFC 9110, section 14.4). */

export interface ContentRange {
  /** First byte, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Bytes of the whole file; undefined where the server does not know. */
  readonly total: number | undefined;
}

/** Undefined where it is no such range, or one that cannot be. */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  const match = /^\s*bytes\s+(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)\s*$/i.exec(text ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (!Number.isSafeInteger(end) || end <= start) return undefined;
  if (total !== undefined && (!Number.isSafeInteger(total) || end > total)) return undefined;
  return { start, end, total };
}

/** The size in the header of a refusal (416), which has no range: `bytes * /size`. */
export function parseUnsatisfied(text: string | undefined): number | undefined {
  const match = /^\s*bytes\s+\*\/(\d{1,15})\s*$/i.exec(text ?? '');
  return match === null ? undefined : Number(match[1]);
}

/** A length as servers write it; undefined where there is none. */
export function parseLength(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}
