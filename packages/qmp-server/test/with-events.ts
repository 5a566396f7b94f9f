/** A script with waits, given to our server and to the installed qemu-storage-daemon: replies and the order of all events. */
import { startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import type { ServerOptions } from '../src/index.js';
import type { Step } from './both.js';
import { attach, testServer, type Message } from './support.js';

/** A command, or an event to wait for, by its name or by the status that it tells. */
export type Move = Step | { readonly wait: string };

export interface Told {
  readonly replies: Message[];
  readonly events: Message[];
}

interface Driver {
  readonly ask: (command: string, args?: object) => Promise<Message>;
  /** All events so far, without their time. */
  readonly events: () => Message[];
}

/** Runs the script on both; paths are `DIR` in what comes back. */
export async function bothWithEvents(
  prepare: (dir: TempDir) => Promise<void>,
  script: (dir: TempDir) => readonly Move[],
  options: Partial<ServerOptions> = {},
): Promise<{ ours: Told; theirs: Told }> {
  return { ours: await runOurs(prepare, script, options), theirs: await runTheirs(prepare, script) };
}

/** Without a drained section's pause, which the reference tells of and ours does not make. */
export function withoutDrains(events: readonly Message[]): Message[] {
  const kept: Message[] = [];
  const status = (event: Message | undefined): unknown => (event?.event === 'JOB_STATUS_CHANGE' ? (event.data as { status: string }).status : undefined);
  for (const event of events) {
    const previous = status(kept.at(-1));
    if ((previous === 'paused' && status(event) === 'running') || (previous === 'standby' && status(event) === 'ready')) kept.pop();
    else kept.push(event);
  }
  return kept;
}

async function runOurs(prepare: (dir: TempDir) => Promise<void>, script: (dir: TempDir) => readonly Move[], options: Partial<ServerOptions>): Promise<Told> {
  using dir = tempDir();
  await prepare(dir);
  await using server = await testServer(options);
  const client = await attach(server).negotiate();
  const events = (): Message[] =>
    client.text
      .split('\r\n')
      .filter((line) => line.includes('"event"'))
      .map((line) => JSON.parse(line) as Message);
  return await play(dir, script(dir), { ask: (command, args) => client.ask(command, args), events });
}

async function runTheirs(prepare: (dir: TempDir) => Promise<void>, script: (dir: TempDir) => readonly Move[]): Promise<Told> {
  using dir = tempDir();
  await prepare(dir);
  await using daemon = await startStorageDaemon({ cwd: dir.path });
  const ask = (command: string, args?: object): Promise<Message> =>
    daemon.qmp.execute(command, args as Record<string, unknown>).then(
      (result) => ({ return: result }),
      (error: Error & { readonly errorClass: string }) => ({ error: { class: error.errorClass, desc: error.message } }),
    );
  return await play(dir, script(dir), { ask, events: () => [...daemon.qmp.events] as unknown as Message[] });
}

async function play(dir: TempDir, moves: readonly Move[], { ask, events }: Driver): Promise<Told> {
  const replies: Message[] = [];
  let seen = 0;
  for (const move of moves) {
    if (!('wait' in move)) {
      replies.push(await ask(...move));
      continue;
    }
    for (let look = 0; ; look++) {
      if (look === 2000) throw new Error(`no '${move.wait}' after ${JSON.stringify(replies)}, but ${JSON.stringify(events().slice(seen))}`);
      const at = events().findIndex((event, index) => index >= seen && isWanted(event, move.wait));
      if (at >= 0) {
        seen = at + 1;
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const plain = events().map(({ event, data }) => ({ event, data }));
  return JSON.parse(JSON.stringify({ replies, events: plain }).replaceAll(dir.path, 'DIR')) as Told;
}

function isWanted(event: Message, wanted: string): boolean {
  return event.event === wanted || (event.event === 'JOB_STATUS_CHANGE' && (event.data as { status: string }).status === wanted);
}
