/** Why compressed bytes can't be had back. */

/** The message goes on where a sentence about the stream began: `can not be inflated`, `holds 5 bytes instead of 512`. */
export class StreamError extends Error {
  override readonly name = 'StreamError';
}

/** Throws where a stream gave `found` bytes instead of `size`. */
export function expectSize(found: number, size: number): void {
  if (found !== size) throw new StreamError(`holds ${found} bytes instead of ${size}`);
}

export function notAStream(cause: unknown): StreamError {
  return new StreamError('can not be inflated', { cause });
}
