/**
 * `--qtest`: whoever is at the other end of the connection owns the clock by which rates are limited. It stands still but for the
 * commands of QEMU's qtest protocol, one a line: `clock_step` (to the next timer), `clock_step NS`, `clock_set NS`; each is
 * answered with `OK` and the time. Commands of a machine are answered with `FAIL`.
 */
import type { ManualClock } from '@blk/core-graph';
import type { StreamPair } from '../monitor/transport.js';

/** Longest line that is looked at. */
const MAX_LINE = 4096;

/** Serves one connection. */
export function serveQtest({ readable, writable }: StreamPair, clock: ManualClock): void {
  let text = '';
  let turn = Promise.resolve();
  const answer = async (line: string): Promise<void> => {
    const reply = await carryOut(line.split(/ +/), clock);
    if (writable.writable) writable.write(`${reply}\n`);
  };
  readable.setEncoding('latin1');
  readable.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    if (text.length > MAX_LINE) readable.destroy();
    for (const line of lines) turn = turn.then(() => answer(line.replace(/\r$/, '')));
  });
  // The clock then stands still for good.
  for (const stream of [readable, writable]) stream.on('error', () => undefined);
}

async function carryOut(words: readonly string[], clock: ManualClock): Promise<string> {
  const [command, argument] = words;
  const time = target(command, argument, clock);
  if (time === undefined) return `FAIL Unknown command '${command}'`;
  if (!(time >= 0 && Number.isSafeInteger(time))) return `FAIL Invalid time '${argument}'`;
  await advance(clock, time);
  return `OK ${clock.now()}`;
}

/** The time that a command means, in nanoseconds; undefined for a command that there is not. */
function target(command: string, argument: string | undefined, clock: ManualClock): number | undefined {
  if (command === 'clock_step') return argument === undefined ? (clock.deadline ?? clock.now()) : clock.now() + nanoseconds(argument);
  return command === 'clock_set' ? nanoseconds(argument ?? '') : undefined;
}

function nanoseconds(text: string): number {
  return /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN;
}

/** Goes forward timer by timer; what a timer set going goes as far as it can before the next one. */
async function advance(clock: ManualClock, time: number): Promise<void> {
  await settled();
  for (let next = clock.deadline; next !== undefined && next <= time; next = clock.deadline) {
    clock.advanceTo(next);
    await settled();
  }
  clock.advanceTo(time);
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
