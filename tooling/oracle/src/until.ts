/** Waiting for what nothing announces: another process, a socket's other end, a file. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `condition` every 5 ms until it answers something true, and returns that. The bound is far beyond what a busy machine
 * takes, so that only a test that would wait for ever meets it.
 * @throws Error after a minute, with the condition's text.
 */
export async function until<T>(condition: () => T | Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(5)) {
    const answer = await condition();
    if (answer) return answer;
  }
  throw new Error(`still not so after a minute: ${condition.toString()}`);
}
