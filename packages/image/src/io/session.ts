/**
 * The disk exerciser: a session runs the commands of qemu-io on one open image. `blk io` gives it a terminal, the server's
 * `human-monitor-command qemu-io` a reply.
 */
import { BlockError, messageOf, type Backend } from '@blk/core-graph';
import { usageLine, type IoCommand, type IoOutput } from './command.js';
import {
  allocCommand,
  discardCommand,
  flushCommand,
  lengthCommand,
  mapCommand,
  sleepCommand,
  truncateCommand,
} from './map-commands.js';
import { readCommand, readvCommand } from './read-commands.js';
import { ArgumentError } from './sizes.js';
import { splitWords, UsageError } from './words.js';
import { writeCommand, writevCommand } from './write-commands.js';

/** What a program adds to a session: how images are opened and described. */
export interface IoProgram extends IoOutput {
  /** Name that begins messages: `qemu-io`. */
  readonly name: string;
  /** Opens an image for the command `open` with its words; absent: the session keeps its one image. */
  open?(words: readonly string[]): Promise<Backend>;
  /** The text of the command `info`. */
  describe?(image: Backend): Promise<string>;
}

export class IoSession {
  image: Backend | undefined;
  /** `quit` was said. */
  ended = false;
  readonly #commands: ReadonlyMap<string, IoCommand>;
  readonly #list: readonly IoCommand[];

  constructor(
    private readonly program: IoProgram,
    image?: Backend,
  ) {
    this.image = image;
    this.#list = [...COMMANDS, ...this.#own()].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#commands = new Map(this.#list.flatMap((command) => [command.name, ...(command.aliases ?? [])].map((name) => [name, command])));
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
    if (command.free !== true && this.image === undefined) {
      program.err(`no file open, try 'help open'\n`);
      return false;
    }
    if (words.length < command.minimum || (command.maximum >= 0 && words.length > command.maximum)) {
      program.err(`bad argument count ${words.length} to ${name}, expected ${expectation(command)} arguments\n`);
      return false;
    }
    try {
      return await command.run(words, { output: program, image: this.image as Backend, command });
    } catch (error) {
      return this.#tell(error, command);
    }
  }

  #tell(error: unknown, command: IoCommand): boolean {
    const { program } = this;
    if (error instanceof ArgumentError) program.out(`${error.message}\n`);
    else if (error instanceof UsageError) {
      program.err(`${error.message}\n`);
      program.out(usageLine(command));
    } else if (error instanceof BlockError) {
      program.err(`${program.name}: ${error.kind === 'read-only' ? 'Block node is read-only' : messageOf(error)}\n`);
    } else throw error;
    return false;
  }

  #own(): IoCommand[] {
    const { program } = this;
    return [
      {
        name: 'help',
        aliases: ['?'],
        minimum: 0,
        maximum: 1,
        free: true,
        synopsis: '[command]',
        summary: 'help for one or all commands',
        run: async (words) => this.#help(words[0]),
      },
      {
        name: 'quit',
        aliases: ['q'],
        minimum: 0,
        maximum: 0,
        free: true,
        synopsis: '',
        summary: 'exit the program',
        run: async () => {
          this.ended = true;
          return true;
        },
      },
      {
        name: 'close',
        aliases: ['c'],
        minimum: 0,
        maximum: 0,
        synopsis: '',
        summary: 'close the current open file',
        run: async () => {
          await this.image?.close();
          this.image = undefined;
          return true;
        },
      },
      {
        name: 'open',
        aliases: ['o'],
        minimum: 1,
        maximum: -1,
        free: true,
        synopsis: '[-rsCnkU] [-t cache] [-d discard] [-o options] [path]',
        summary: 'open the file specified by path',
        run: async (words) => this.#open(words),
      },
      {
        name: 'info',
        aliases: ['i'],
        minimum: 0,
        maximum: 0,
        synopsis: '',
        summary: 'prints information about the current file',
        run: async (_words, { image }) => {
          program.out((await program.describe?.(image)) ?? `format name: ${image.root.driverName}\n`);
          return true;
        },
      },
    ];
  }

  async #open(words: readonly string[]): Promise<boolean> {
    const { program } = this;
    if (this.image !== undefined) {
      program.err(`${program.name}: file open already, try 'help close'\n`);
      return false;
    }
    if (program.open === undefined) throw new BlockError('unsupported', 'Images cannot be opened here');
    this.image = await program.open(words);
    return true;
  }

  #help(name: string | undefined): boolean {
    const { program } = this;
    if (name === undefined) {
      for (const command of this.#list) program.out(usageLine(command));
      program.out(`\nUse 'help commandname' for extended help.\n`);
      return true;
    }
    const command = this.#commands.get(name);
    if (command === undefined) {
      program.out(`command ${name} not found\n`);
      return false;
    }
    program.out(usageLine(command) + (command.help === undefined ? '' : `${command.help}\n`));
    return true;
  }
}

const COMMANDS: readonly IoCommand[] = [
  allocCommand,
  discardCommand,
  flushCommand,
  lengthCommand,
  mapCommand,
  readCommand,
  readvCommand,
  sleepCommand,
  truncateCommand,
  writeCommand,
  writevCommand,
];

function expectation(command: IoCommand): string {
  if (command.maximum < 0) return `at least ${command.minimum}`;
  return command.minimum === command.maximum ? String(command.minimum) : `between ${command.minimum} and ${command.maximum}`;
}
