/**
 * The disk exerciser: a session runs the commands of qemu-io on one open image. `blk io` gives it a terminal, the server's
 * `human-monitor-command qemu-io` a reply.
 */
import { BlockError, letStoppedGoOn, messageOf, type Backend } from '@blk/core-graph';
import { aioFlushCommand, aioReadCommand, aioWriteCommand } from './aio-commands.js';
import { usageLine, type IoCommand, type IoOutput } from './command.js';
import { breakCommand, removeBreakCommand, resumeCommand, waitBreakCommand } from './debug-commands.js';
import { allocCommand, discardCommand, flushCommand, lengthCommand, mapCommand, truncateCommand } from './map-commands.js';
import { PendingRequests } from './pending.js';
import { programCommands, type IoPowers, type SessionState } from './program-commands.js';
import { readCommand, readvCommand } from './read-commands.js';
import { ArgumentError } from './sizes.js';
import { splitWords, UsageError } from './words.js';
import { writeCommand, writevCommand } from './write-commands.js';

/** What a program lends to a session. */
export interface IoProgram extends IoOutput, IoPowers {
  /** Name that begins messages: `qemu-io`. */
  readonly name: string;
  /** The image is somebody else's: there is no `open`, `close` and `quit`. */
  readonly oneImage?: boolean;
}

export class IoSession implements SessionState {
  image: Backend | undefined;
  ended = false;
  readonly #pending = new PendingRequests();
  readonly #commands: ReadonlyMap<string, IoCommand>;
  readonly #list: readonly IoCommand[];

  /** `image`: stays the caller's only until `close` is said or called. */
  constructor(
    private readonly program: IoProgram,
    image?: Backend,
  ) {
    this.image = image;
    const own = programCommands(this, program).filter(({ name }) => program.oneImage !== true || !OF_PROGRAMS.includes(name));
    this.#list = [...COMMANDS, ...own, this.#help].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#commands = new Map(this.#list.flatMap((command) => [command.name, ...(command.aliases ?? [])].map((name) => [name, command])));
  }

  get name(): string {
    return this.program.name;
  }
  /** Names of all commands, for completion. */
  get names(): readonly string[] {
    return this.#list.map(({ name }) => name);
  }

  /** Runs one line. Returns whether it succeeded; every failure has been told. */
  async run(line: string): Promise<boolean> {
    const [name, ...words] = splitWords(line);
    if (name === undefined) return true;
    const command = this.#commands.get(name);
    const { program } = this;
    if (command === undefined) {
      program.err(`command "${name}" not found\n`);
      return false;
    }
    const { image } = this;
    if (command.free !== true && image === undefined) {
      program.err(`no file open, try 'help open'\n`);
      return false;
    }
    if (words.length < command.minimum || (command.maximum >= 0 && words.length > command.maximum)) {
      program.err(`bad argument count ${words.length} to ${name}, expected ${expectation(command)} arguments\n`);
      return false;
    }
    try {
      if (command.writes === true && image?.readOnly === true) throw new BlockError('read-only', 'Block node is read-only');
      return await command.run(words, { output: program, image: image as Backend, command, pending: this.#pending });
    } catch (error) {
      return this.#tell(error, command);
    }
  }

  /** Waits for requests that are still under way; what they have to tell is told. */
  drain(): Promise<void> {
    return this.#pending.drain();
  }

  /** Waits for what is under way, and closes the image. */
  async close(): Promise<void> {
    if (this.image?.edge !== undefined) letStoppedGoOn(this.image.root);
    await this.drain();
    const { image } = this;
    this.image = undefined;
    await image?.close();
  }

  #tell(error: unknown, command: IoCommand): boolean {
    const { program } = this;
    if (error instanceof ArgumentError) program.out(`${error.message}\n`);
    else if (error instanceof UsageError) {
      if (error.message !== '') program.err(`${error.message}\n`);
      program.out(usageLine(command));
    } else if (error instanceof BlockError) program.err(`${program.name}: ${messageOf(error)}\n`);
    else throw error;
    return false;
  }

  get #help(): IoCommand {
    return {
      name: 'help',
      aliases: ['?'],
      minimum: 0,
      maximum: 1,
      free: true,
      synopsis: '[command]',
      summary: 'help for one or all commands',
      run: async ([name]) => (name === undefined ? this.#helpOnAll() : this.#helpOn(name)),
    };
  }

  #helpOnAll(): boolean {
    for (const command of this.#list) this.program.out(usageLine(command));
    this.program.out(`\nUse 'help commandname' for extended help.\n`);
    return true;
  }

  #helpOn(name: string): boolean {
    const command = this.#commands.get(name);
    if (command === undefined) {
      this.program.out(`command ${name} not found\n`);
      return false;
    }
    this.program.out(usageLine(command, name) + (command.help === undefined ? '' : `${command.help}\n`));
    return true;
  }
}

const OF_PROGRAMS = ['open', 'close', 'quit'];

const COMMANDS: readonly IoCommand[] = [
  aioFlushCommand,
  aioReadCommand,
  aioWriteCommand,
  allocCommand,
  breakCommand,
  discardCommand,
  flushCommand,
  lengthCommand,
  mapCommand,
  readCommand,
  readvCommand,
  removeBreakCommand,
  resumeCommand,
  truncateCommand,
  waitBreakCommand,
  writeCommand,
  writevCommand,
];

function expectation(command: IoCommand): string {
  if (command.maximum < 0) return `at least ${command.minimum}`;
  return command.minimum === command.maximum ? String(command.minimum) : `between ${command.minimum} and ${command.maximum}`;
}
