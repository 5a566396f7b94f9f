/** The one door of all commands: looks the name up, checks the arguments against the schema, runs the handler. */
import { QmpError, validateCommandArguments, type QmpCommandName, type QmpCommands } from '@blk/qapi-types';
import type { Monitor } from './monitor/monitor.js';
import type { BlkServer } from './server.js';

/** What a handler may use. */
export interface CommandContext {
  readonly server: BlkServer;
  /** The monitor that the command came over; undefined for one that the embedding program gave. */
  readonly monitor: Monitor | undefined;
}

/** What a command returns; nothing at all stands for the empty object. */
type Returns<N extends QmpCommandName> = QmpCommands[N]['returns'] extends Record<string, never> ? void : QmpCommands[N]['returns'];

export type CommandHandler<N extends QmpCommandName> = (
  args: QmpCommands[N]['arguments'],
  context: CommandContext,
) => Returns<N> | Promise<Returns<N>>;

/** A command whose arguments have more than the schema's one form. */
export interface CommandWithDialect<N extends QmpCommandName> {
  /** Unchecked arguments to checked ones. */
  read(args: unknown): QmpCommands[N]['arguments'];
  run: CommandHandler<N>;
}

/** The handlers of one group of commands, by name. */
export type CommandGroup = { readonly [N in QmpCommandName]?: CommandHandler<N> | CommandWithDialect<N> };

/** A command that is not in the schema: the embedder's own. It checks its arguments itself. */
export type ForeignCommand = (args: Readonly<Record<string, unknown>>, context: CommandContext) => unknown;

interface Entry {
  read(args: unknown): unknown;
  run(args: unknown, context: CommandContext): unknown;
}

/** Commands that may be given out of band: they look, wait for nothing and change nothing; `quit` ends what hangs. */
export const OUT_OF_BAND: ReadonlySet<string> = new Set(['query-version', 'query-commands', 'query-events', 'query-qmp-schema', 'query-status', 'quit']);

export class Dispatcher {
  readonly #commands = new Map<string, Entry>();
  /** Commands run one after the other, whichever monitor they come from: each sees what the one before left. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(groups: readonly CommandGroup[]) {
    for (const group of groups) this.addGroup(group);
  }

  /** Names of all commands, in the order in which they were added. */
  get names(): readonly string[] {
    return [...this.#commands.keys()];
  }

  addGroup(group: CommandGroup): void {
    for (const [name, handler] of Object.entries(group)) {
      const entry = handler as unknown as Entry | Entry['run'];
      this.#add(name, typeof entry === 'function' ? { read: (args) => validateCommandArguments(name, args), run: entry } : entry);
    }
  }

  /** Adds a command of the embedder's own. */
  addForeign(name: string, command: ForeignCommand): void {
    this.#add(name, { read: (args) => args ?? {}, run: (args, context) => command(args as Record<string, unknown>, context) });
  }

  has(name: string): boolean {
    return this.#commands.has(name);
  }

  /** Checks and runs one command, after those before it. Rejects with whatever stopped it. */
  async execute(name: string, args: unknown, context: CommandContext): Promise<unknown> {
    const command = this.#commands.get(name);
    if (command === undefined) throw new QmpError('CommandNotFound', `The command ${name} has not been found`);
    const checked = command.read(args);
    const turn = this.#turn.then(() => command.run(checked, context));
    this.#turn = turn.catch(() => undefined);
    return (await turn) ?? {};
  }

  /** Checks and runs one command before those that wait. Rejects where it is none of those that may. */
  async executeNow(name: string, args: unknown, context: CommandContext): Promise<unknown> {
    if (this.has(name) && !OUT_OF_BAND.has(name)) throw new QmpError('GenericError', `The command ${name} does not support OOB`);
    return this.within(name, args, context);
  }

  /** Runs a command as part of another, which waits for it. */
  async within(name: string, args: unknown, context: CommandContext): Promise<unknown> {
    const command = this.#commands.get(name);
    if (command === undefined) throw new QmpError('CommandNotFound', `The command ${name} has not been found`);
    const done = command.run(command.read(args), context);
    return (await done) ?? {};
  }

  /** Resolves when no command is running or waiting. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  #add(name: string, entry: Entry): void {
    if (this.#commands.has(name)) throw new RangeError(`The command ${name} is there already`);
    this.#commands.set(name, entry);
  }
}
