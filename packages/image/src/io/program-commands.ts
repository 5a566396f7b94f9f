/** Commands about the session and its program rather than an image's content: `open`, `close`, `reopen`, `sleep`, signals. */
import { BlockError, letStoppedGoOn, type Backend } from '@blk/core-graph';
import type { IoCommand } from './command.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { parseWords, UsageError } from './words.js';

/** What `open` and `reopen` ask for. */
export interface IoOpenRequest {
  /** Letters of options without a value, as the help of the command lists them. */
  readonly flags: ReadonlySet<string>;
  /** Values of the others; those of several `-o` are joined by commas. */
  readonly values: ReadonlyMap<string, string>;
  readonly path?: string;
}

/** The parts of a session that these commands change. */
export interface SessionState {
  /** Name that begins messages. */
  readonly name: string;
  image: Backend | undefined;
  /** `quit` was said. */
  ended: boolean;
}

/** What a program adds to a session; what is absent is refused. */
export interface IoPowers {
  /** Checks the words of the command `open`, and gives back what opens the image. Both throw with the whole message. */
  open?(request: IoOpenRequest): () => Promise<Backend>;
  /** Opens the image anew with other options. Throws, with the image as it was, where they are refused before that. */
  reopen?(image: Backend, request: IoOpenRequest): Promise<Reopened>;
  /** The text of the command `info`. */
  describe?(image: Backend): Promise<string>;
  /** Sends this number's signal to the program itself. */
  raise?(signal: number): Promise<void>;
  /** Ends the program as a crash would. */
  abort?(): Promise<void>;
}

/** The image to go on with, and why it is not the one that was asked for. */
export interface Reopened {
  /** Undefined: the image could be opened neither anew nor as it was before. */
  readonly image: Backend | undefined;
  readonly error?: BlockError;
}

export function programCommands(state: SessionState, powers: IoPowers): IoCommand[] {
  return [
    {
      name: 'quit',
      aliases: ['q'],
      minimum: 0,
      maximum: -1,
      free: true,
      summary: 'exit the program',
      run: async () => {
        state.ended = true;
        return true;
      },
    },
    {
      name: 'close',
      aliases: ['c'],
      minimum: 0,
      maximum: 0,
      summary: 'close the current open file',
      run: async (_words, { image, pending }) => {
        letStoppedGoOn(image.root);
        await pending.drain();
        state.image = undefined;
        await image.close();
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
      help: `
 Opens an image, for example 'open -n -o driver=raw /tmp/data'. All further commands are about it.

 -r, -- open read-only
 -s, -- write to a temporary image over it
 -C, -- store what is read from backing files
 -n, -- bypass the cache of the host, the same as -t none
 -U, -- open beside other users of the image
 -k, -- the same as -i native
 -i, -- how requests reach the file: threads, native or io_uring
 -t, -- cache mode
 -d, -- discard mode
 -o, -- options of the driver
`,
      run: async (words) => {
        const request = requestOf('open', words, 'Crsni:ko:t:d:U', 1);
        if (powers.open === undefined) throw notHere('open');
        const open = powers.open(request);
        if (state.image !== undefined) throw new BlockError('busy', `file open already, try 'help close'`);
        state.image = await open();
        return true;
      },
    },
    {
      name: 'reopen',
      minimum: 0,
      maximum: -1,
      synopsis: '[(-r|-w)] [-c cache] [-o options]',
      summary: 'reopens an image with new options',
      help: `
 Changes options of the open image, for example 'reopen -o lazy-refcounts=on'.

 -r, -- make the image read-only
 -w, -- make the image writable
 -c, -- change the cache mode
 -o, -- change options of the driver, see 'open'
`,
      run: async (words, { image, pending }) => {
        const request = requestOf('reopen', words, 'c:o:rw', 0);
        if (request.flags.has('r') && request.flags.has('w')) throw new BlockError('invalid-argument', 'Only one -r/-w option may be given');
        if (powers.reopen === undefined) throw notHere('reopen');
        await pending.drain();
        const { image: reopened, error } = await powers.reopen(image, request);
        state.image = reopened;
        if (error !== undefined) throw error;
        return true;
      },
    },
    {
      name: 'info',
      aliases: ['i'],
      minimum: 0,
      maximum: 0,
      summary: 'prints information about the current file',
      run: async (_words, { image, output }) => {
        output.out((await powers.describe?.(image)) ?? `format name: ${image.root.driverName}\n`);
        return true;
      },
    },
    {
      name: 'sleep',
      minimum: 1,
      maximum: 1,
      free: true,
      summary: 'waits for the given value in milliseconds',
      run: async ([text], { output }) => {
        if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw new ArgumentError(`${text} is not a valid number`);
        await output.sleep(Number(text));
        return true;
      },
    },
    {
      name: 'sigraise',
      minimum: 1,
      maximum: 1,
      free: true,
      synopsis: 'signal',
      summary: 'raises a signal',
      help: `
 Sends the program itself the signal of this number, for example 'sigraise 15' for SIGTERM.
`,
      run: async ([text]) => {
        const signal = parseNumber(text);
        if (powers.raise === undefined) throw notHere('sigraise');
        await powers.raise(signal);
        return true;
      },
    },
    {
      name: 'abort',
      minimum: 0,
      maximum: 0,
      free: true,
      summary: 'simulate a program crash using abort(3)',
      run: async () => {
        if (powers.abort === undefined) throw notHere('abort');
        await powers.abort();
        return true;
      },
    },
  ];
}

function requestOf(command: string, words: readonly string[], letters: string, operands: number): IoOpenRequest {
  const parsed = parseWords(command, words, letters, 'o');
  if (parsed.operands.length > operands) throw new UsageError();
  const path = parsed.operands[0];
  return { flags: parsed.flags, values: parsed.values, ...(path === undefined ? {} : { path }) };
}

function notHere(command: string): BlockError {
  return new BlockError('unsupported', `'${command}' is not available here`);
}
