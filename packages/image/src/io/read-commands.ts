/** `read` and `readv`: into a buffer, dumped or compared with a pattern. */
import type { Backend, Completion } from '@blk/core-graph';
import { bufferFor, checkSectors, failing, MAX_REQUEST, rangeOf, styleOf, timed, vectorOf, type IoCommand, type IoContext } from './command.js';
import { dump, reportRequest } from './report.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { noState, stateHolder } from './vm-state.js';
import { parsePattern, parseWords, UsageError, type ParsedWords } from './words.js';

/** What a buffer is filled with before it is read into. */
export const UNREAD = 0xab;

export const readCommand: IoCommand = {
  name: 'read',
  aliases: ['r'],
  minimum: 2,
  maximum: -1,
  synopsis: '[-abCqv] [-P pattern [-s off] [-l len]] off len',
  summary: 'reads a number of bytes at a specified offset',
  help: `
 Reads 'len' bytes at 'off' of the open image, for example 'read -v 512 1k'.

 -b, -- read the state of the virtual machine rather than the disk
 -C, -- print the counters in one line for programs
 -l, -- length that is compared with the pattern (with -P)
 -p, -- ignored
 -P, -- compare what was read with a byte
 -q, -- print no counters
 -s, -- first byte that is compared with the pattern (with -P)
 -v, -- dump what was read
`,
  async run(words, context) {
    const parsed = parseWords('read', words, 'bCl:pP:qs:v');
    const { values, flags } = parsed;
    const checks = checkOf(parsed);
    const { offset, length } = rangeOf(parsed);
    if (length > MAX_REQUEST) throw new ArgumentError(`length cannot exceed ${MAX_REQUEST}, given ${parsed.operands[1]}`);
    if (!values.has('P') && (values.has('s') || values.has('l'))) throw new UsageError();
    if (!checks.fits(length)) throw new ArgumentError('pattern verification range exceeds end of read data');
    if (flags.has('b')) checkSectors(offset, length);
    return readAndShow(context, parsed, checks, offset, length, 'read');
  },
};

export const readvCommand: IoCommand = {
  name: 'readv',
  minimum: 2,
  maximum: -1,
  synopsis: '[-Cqv] [-P pattern] off len [len..]',
  summary: 'reads a number of bytes at a specified offset',
  help: `
 Reads into one buffer for each 'len', one after the other, for example 'readv -v 512 1k 1k'.

 -C, -- print the counters in one line for programs
 -P, -- compare what was read with a byte
 -v, -- dump what was read
 -q, -- print no counters
`,
  async run(words, context) {
    const parsed = parseWords('readv', words, 'CP:qv');
    const checks = checkOf(parsed);
    const { offset, length } = vectorOf(parsed);
    return readAndShow(context, parsed, checks, offset, length, 'readv');
  },
};

/** What `-P`, `-s` and `-l` ask for: that bytes are the same. */
export class PatternCheck {
  constructor(
    readonly pattern: number | undefined,
    private readonly from: number,
    private readonly count: number | undefined,
  ) {}

  fits(length: number): boolean {
    return this.from <= length && this.from + (this.count ?? 0) <= length;
  }

  /** The line that tells a difference in what was read at `offset`, or undefined. */
  difference(bytes: Uint8Array, offset: number): string | undefined {
    const { pattern, from } = this;
    const count = this.count ?? bytes.length - from;
    if (pattern === undefined || isFilled(bytes.subarray(from, from + count), pattern)) return undefined;
    return `Pattern verification failed at offset ${offset + from}, ${count} bytes\n`;
  }
}

export function checkOf({ values }: ParsedWords): PatternCheck {
  const number = (letter: string): number | undefined => {
    const text = values.get(letter);
    return text === undefined ? undefined : parseNumber(text);
  };
  const count = number('l');
  const pattern = values.get('P');
  return new PatternCheck(pattern === undefined ? undefined : parsePattern(pattern), number('s') ?? 0, count);
}

/** Prints what a finished read of `buffer` asks for; false where the bytes are not those expected. */
export function showRead(context: IoContext, parsed: ParsedWords, check: PatternCheck, buffer: Uint8Array, offset: number, seconds: number): boolean {
  const { output } = context;
  const difference = check.difference(buffer, offset);
  if (difference !== undefined) output.out(difference);
  if (parsed.flags.has('q')) return difference === undefined;
  if (parsed.flags.has('v')) output.out(dump(buffer, offset));
  output.out(reportRequest('read', styleOf(parsed), offset, buffer.length, buffer.length, seconds));
  return difference === undefined;
}

async function readAndShow(
  context: IoContext,
  parsed: ParsedWords,
  check: PatternCheck,
  offset: number,
  length: number,
  verb: string,
): Promise<boolean> {
  const { image, output } = context;
  return failing(output, verb, async () => {
    const state = parsed.flags.has('b');
    const buffer = state ? new Uint8Array(length).fill(UNREAD) : bufferFor(image, offset, length, UNREAD);
    const seconds = await timed(output, () => (state ? readState(image, offset, buffer) : image.read(offset, buffer, 0, length)));
    return showRead(context, parsed, check, buffer, offset, seconds);
  });
}

function readState({ root }: Backend, offset: number, buffer: Uint8Array): Completion {
  const { driver } = stateHolder(root);
  if (driver.readVmState === undefined) throw noState();
  return driver.readVmState(offset, buffer, 0, buffer.length);
}

function isFilled(bytes: Uint8Array, pattern: number): boolean {
  return bytes.every((byte) => byte === pattern);
}
