// A very small QMP client over the two ends of a pipe or socket: enough to drive the reference daemon in tests.
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** An event as it came. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

/** A monitor, past its greeting. */
export interface QmpClient {
  /** The greeting's content. */
  readonly greeting: Record<string, unknown>;
  /** Every event so far, in order. */
  readonly events: readonly QmpEvent[];
  /**
   * Runs a command and gives its `return`.
   * @throws QmpError if the monitor answers with an error; Error if it goes away.
   */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
  /** The next event of that name from now on, or one that came before and was not asked for. */
  event(name: string): Promise<QmpEvent>;
}

/** An error that the monitor answered. */
export class QmpError extends Error {
  /** The error's class, such as `GenericError`. */
  readonly errorClass: string;
  constructor(errorClass: string, description: string) {
    super(description);
    this.name = 'QmpError';
    this.errorClass = errorClass;
  }
}

/** Reads the greeting, negotiates, and gives the monitor. */
export async function qmpClient(from: Readable, to: Writable): Promise<QmpClient> {
  const calls = new Map<number, Call>();
  const events: QmpEvent[] = [];
  const unclaimed: QmpEvent[] = [];
  let waiting: { readonly name: string; readonly resolve: (event: QmpEvent) => void; readonly reject: Call['reject'] }[] = [];
  let id = 0;
  let gone = false;
  const lines = createInterface({ input: from, crlfDelay: Infinity });
  const greeting = new Promise<Record<string, unknown>>((resolve, reject) => {
    lines.once('line', (line) => {
      const { QMP } = JSON.parse(line) as { QMP?: Record<string, unknown> };
      if (QMP === undefined) reject(new Error(`not a QMP greeting: ${line}`));
      else resolve(QMP);
    });
    lines.once('close', () => { reject(new Error('the monitor closed before its greeting')); });
  });
  lines.on('line', (line) => {
    // Between its messages the reference prints what it creates: `Formatting …`.
    if (!line.startsWith('{')) return;
    const message = JSON.parse(line) as Message;
    if (message.event !== undefined) {
      const event = message as QmpEvent;
      events.push(event);
      const index = waiting.findIndex((w) => w.name === event.event);
      if (index < 0) unclaimed.push(event);
      else waiting.splice(index, 1)[0].resolve(event);
      return;
    }
    const call = calls.get(message.id ?? 0);
    if (call === undefined) return;
    calls.delete(message.id ?? 0);
    if (message.error === undefined) call.resolve(message.return);
    else call.reject(new QmpError(message.error.class, message.error.desc));
  });
  lines.on('close', () => {
    gone = true;
    const error = new Error('the monitor closed');
    for (const call of [...calls.values(), ...waiting]) call.reject(error);
    calls.clear();
    waiting = [];
  });
  const execute = (command: string, args?: Record<string, unknown>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (gone) { reject(new Error('the monitor closed')); return; }
      calls.set(++id, { resolve, reject });
      to.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`);
    });
  const client: QmpClient = {
    greeting: await greeting,
    events,
    execute,
    event: (name) => {
      const index = unclaimed.findIndex((event) => event.event === name);
      if (index >= 0) return Promise.resolve(unclaimed.splice(index, 1)[0]);
      if (gone) return Promise.reject(new Error('the monitor closed'));
      return new Promise((resolve, reject) => waiting.push({ name, resolve, reject }));
    },
  };
  await execute('qmp_capabilities');
  return client;
}

interface Call {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface Message extends Partial<QmpEvent> {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}
