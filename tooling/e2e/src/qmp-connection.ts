// A plain QMP client of its own, so that the tests of the server do not trust the code of the server.
import { connect } from 'node:net';

export interface QmpConnection {
  /** Sends a command and gives its `return`; throws an Error with class and description for an error reply. */
  execute(command: string, args?: object): Promise<unknown>;
  /** Events seen so far. */
  readonly events: readonly Record<string, unknown>[];
  close(): void;
}

/** Connects and negotiates. */
export async function connectQmp(path: string): Promise<QmpConnection> {
  const socket = connect(path);
  const events: Record<string, unknown>[] = [];
  const waiting: { readonly resolve: (message: Record<string, unknown>) => void; readonly reject: (error: Error) => void }[] = [];
  const early: Record<string, unknown>[] = [];
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).trim();
      text = text.slice(end + 1);
      if (line === '') continue;
      const message = JSON.parse(line) as Record<string, unknown>;
      if ('event' in message) events.push(message);
      else {
        const next = waiting.shift();
        if (next) next.resolve(message);
        else early.push(message);
      }
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    for (const { reject } of waiting.splice(0)) reject(new Error('the monitor closed the connection'));
  });
  const reply = (): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const there = early.shift();
      if (there) {
        resolve(there);
        return;
      }
      if (socket.destroyed) reject(new Error('the monitor closed the connection'));
      else waiting.push({ resolve, reject });
    });
  const execute = async (command: string, args?: object): Promise<unknown> => {
    const answer = reply();
    socket.write(JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) }) + '\n');
    const message = await answer;
    if ('error' in message) {
      const { class: name, desc } = message['error'] as { class: string; desc: string };
      throw new Error(`${name}: ${desc}`);
    }
    return message['return'];
  };
  const greeting = await reply();
  if (!('QMP' in greeting)) throw new Error(`no greeting: ${JSON.stringify(greeting)}`);
  await execute('qmp_capabilities');
  return { execute, events, close: () => { socket.destroy(); } };
}
