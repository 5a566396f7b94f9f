// The reference can't always tell how long a key derivation takes: where the clock is coarse, it gives up, and is asked again.
const ATTEMPTS = 20;

/** Runs the reference until it has the time of a key derivation. */
export async function untilMeasured<T extends { readonly stderr: string }>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const result = await run();
    if (attempt === ATTEMPTS || !result.stderr.includes('Unable to get accurate CPU usage')) return result;
  }
}
