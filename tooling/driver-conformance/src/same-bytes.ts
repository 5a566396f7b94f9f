/** Comparison of buffers that stays fast on whole disks and says where they part. */

/** Throws an `Error` that names the first difference, unless both hold the same bytes. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const shorter = Math.min(actual.length, expected.length);
  let at = 0;
  while (at < shorter && actual[at] === expected[at]) at++;
  if (at === shorter) {
    throw new Error(`${what}: ${actual.length} bytes instead of ${expected.length}; all they share are equal`);
  }
  let wrong = 0;
  for (let i = at; i < shorter; i++) if (actual[i] !== expected[i]) wrong++;
  throw new Error(
    `${what}: ${wrong} of ${expected.length} differ, first at ${at} (0x${at.toString(16)}): ` +
      `${hex(actual, at)} instead of ${hex(expected, at)}`,
  );
}

function hex(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + 8)).toString('hex');
}
