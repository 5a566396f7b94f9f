/**
 * `aio_read`, `aio_write` and `aio_flush`: requests that stay under way while further commands run. Such a command has
 * succeeded when its request was started; how that ends is only told.
 */
import { BlockError, errnoOf, strerror, type Completion } from '@blk/core-graph';
import { bufferFor, styleOf, timed, vectorOf, type IoCommand, type IoContext } from './command.js';
import { checkOf, showRead, UNREAD } from './read-commands.js';
import { reportRequest } from './report.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { parseWords } from './words.js';
import { patternOf, writeFlagsOf } from './write-commands.js';

const ASYNCHRONOUS = ` Does not wait for the end: 'aio_flush' does. The command has succeeded when the request was started, whatever comes
 of it.
`;

export const aioReadCommand: IoCommand = {
  name: 'aio_read',
  minimum: 2,
  maximum: -1,
  synopsis: '[-Ciqv] [-P pattern] off len [len..]',
  summary: 'asynchronously reads a number of bytes',
  help: `
 Starts to read into one buffer for each 'len', for example 'aio_read -v 512 1k 1k'.
${ASYNCHRONOUS}
 -C, -- print the counters in one line for programs
 -P, -- compare what was read with a byte
 -i, -- count an invalid request, and do nothing
 -v, -- dump what was read
 -q, -- print no counters
`,
  async run(words, context) {
    const parsed = parseWords('aio_read', words, 'CP:iqv');
    const check = checkOf(parsed);
    if (parsed.flags.has('i')) return invalid(context, 'read');
    const { offset, length } = vectorOf(parsed);
    const { image, output } = context;
    start(context, 'readv', () => {
      const buffer = bufferFor(image, offset, length, UNREAD);
      return { done: image.read(offset, buffer, 0, length), tell: (seconds) => void showRead(context, parsed, check, buffer, offset, seconds) };
    }, output.now());
    return true;
  },
};

export const aioWriteCommand: IoCommand = {
  name: 'aio_write',
  minimum: 2,
  maximum: -1,
  writes: true,
  synopsis: '[-Cfiquz] [-P pattern] off len [len..]',
  summary: 'asynchronously writes a number of bytes',
  help: `
 Starts to write from one buffer for each 'len', for example 'aio_write 512 1k 1k'.
${ASYNCHRONOUS}
 -P, -- write this byte
 -C, -- print the counters in one line for programs
 -f, -- complete only when the data is on stable storage
 -i, -- count an invalid request, and do nothing
 -q, -- print no counters
 -u, -- with -z, space may be given back
 -z, -- write zeroes
`,
  async run(words, context) {
    const parsed = parseWords('aio_write', words, 'CfiP:quz');
    const { flags, operands } = parsed;
    const pattern = patternOf(parsed);
    const zero = flags.has('z');
    if (zero && operands.length !== 2) throw new ArgumentError('-z supports only a single length parameter');
    if (flags.has('u') && !zero) throw new ArgumentError('-u requires -z to be specified');
    if (flags.has('i')) return invalid(context, 'write');
    // Zeroes need no buffer, and so have no longest length.
    const { offset, length } = zero ? { offset: parseNumber(operands[0]), length: parseNumber(operands[1]) } : vectorOf(parsed);
    const { image, output } = context;
    const tell = (seconds: number): void => {
      output.out(reportRequest('wrote', styleOf(parsed), offset, length, length, seconds));
    };
    start(context, 'aio_write', () => {
      if (zero) return { done: image.writeZeroes(offset, length, writeFlagsOf(parsed)), tell };
      return { done: image.write(offset, bufferFor(image, offset, length, pattern), 0, length, writeFlagsOf(parsed)), tell };
    }, output.now());
    return true;
  },
};

export const aioFlushCommand: IoCommand = {
  name: 'aio_flush',
  minimum: 0,
  maximum: 0,
  summary: 'completes all outstanding aio requests',
  async run(_words, { pending, image, output }) {
    await pending.drain();
    try {
      await timed(output, () => (image.readOnly ? undefined : image.flush()));
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      output.out(`aio_flush failed: ${strerror(errnoOf(error))}\n`);
      return false;
    }
    return true;
  },
};

interface Started {
  readonly done: Completion;
  /** Tells that the request has succeeded. */
  readonly tell: (seconds: number) => void;
}

/** Starts a request, and has its end told when it comes. */
function start({ output, pending }: IoContext, verb: string, request: () => Started, began: number): void {
  const failed = (error: unknown): void => {
    output.out(`${verb} failed: ${strerror(errnoOf(error))}\n`);
  };
  let started: Started;
  try {
    started = request();
  } catch (error) {
    failed(error);
    return;
  }
  const { done, tell } = started;
  if (done === undefined) tell(output.now() - began);
  else pending.add(done.then(() => { tell(output.now() - began); }, failed));
}

function invalid({ image, output }: IoContext, operation: 'read' | 'write'): boolean {
  output.out(`injecting invalid ${operation} request\n`);
  image.statistics.invalid(operation);
  return true;
}
