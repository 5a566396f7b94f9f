/** `write` and `writev`: a pattern, a file's bytes, or zeroes. */
import { errnoOf, strerror, WriteFlag } from '@blk/core-graph';
import { failing, MAX_REQUEST, styleOf, timed, usageLine, type IoCommand, type IoContext } from './command.js';
import { reportRequest } from './report.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { parsePattern, parseWords, type ParsedWords } from './words.js';

/** What is written where no pattern is given. */
const DEFAULT_PATTERN = 0xcd;

export const writeCommand: IoCommand = {
  name: 'write',
  aliases: ['w'],
  minimum: 2,
  maximum: -1,
  synopsis: '[-bcCfnquz] [-P pattern | -s source_file] off len',
  summary: 'writes a number of bytes at a specified offset',
  help: `
 Writes 'len' bytes at 'off' of the open image, for example 'write -P 7 512 1k'; 0xcd unless told otherwise.

 -c, -- store compressed
 -C, -- print the counters in one line for programs
 -f, -- complete only when the data is on stable storage
 -n, -- with -z, fail rather than write zero bytes one by one
 -P, -- write this byte
 -q, -- print no counters
 -s, -- write the bytes of a file, over and over
 -u, -- with -z, space may be given back
 -z, -- write zeroes
`,
  async run(words, context) {
    const parsed = parseWords('write', words, 'bcCfnpP:qs:uz');
    if (parsed.operands.length !== 2) {
      context.output.out(usageLine(context.command));
      return false;
    }
    checkCombination(parsed);
    const [first, second] = parsed.operands;
    const offset = parseNumber(first);
    const length = parseNumber(second);
    if (length > MAX_REQUEST && !(parsed.flags.has('z') && parsed.flags.has('n'))) {
      const hint = parsed.flags.has('n') ? '' : ' without -n';
      throw new ArgumentError(`length cannot exceed ${MAX_REQUEST}${hint}, given ${second}`);
    }
    const verb = 'write';
    if (parsed.flags.has('z')) return writeZeroes(context, parsed, offset, length);
    const buffer = await content(context, parsed, length);
    if (buffer === undefined) return false;
    return writeBuffer(context, parsed, offset, buffer, verb);
  },
};

export const writevCommand: IoCommand = {
  name: 'writev',
  aliases: ['wv'],
  minimum: 2,
  maximum: -1,
  synopsis: '[-Cfq] [-P pattern] off len [len..]',
  summary: 'writes a number of bytes at a specified offset',
  help: `
 Writes from one buffer for each 'len', one after the other, for example 'writev 512 1k 1k'.

 -C, -- print the counters in one line for programs
 -f, -- complete only when the data is on stable storage
 -P, -- write this byte
 -q, -- print no counters
`,
  async run(words, context) {
    const parsed = parseWords('writev', words, 'CfqP:');
    if (parsed.operands.length < 2) {
      context.output.out(usageLine(context.command));
      return false;
    }
    const [offset, ...lengths] = parsed.operands.map(parseNumber);
    const length = lengths.reduce((a, b) => a + b, 0);
    if (length > MAX_REQUEST) throw new ArgumentError(`Argument too large: total length exceeds ${MAX_REQUEST} bytes`);
    const buffer = await content(context, parsed, length);
    return buffer === undefined ? false : writeBuffer(context, parsed, offset, buffer, 'writev');
  },
};

function checkCombination(parsed: ParsedWords): void {
  const { flags, values } = parsed;
  if (flags.has('b') && (flags.has('c') || flags.has('z'))) throw new ArgumentError('-b and -c or -z cannot be specified at the same time');
  if (flags.has('f') && (flags.has('b') || flags.has('c'))) throw new ArgumentError('-f and -b or -c cannot be specified at the same time');
  if (flags.has('n') && !flags.has('z')) throw new ArgumentError('-n requires -z to be specified');
  if (flags.has('u') && !flags.has('z')) throw new ArgumentError('-u requires -z to be specified');
  if (Number(flags.has('z')) + Number(values.has('P')) + Number(values.has('s')) > 1) {
    throw new ArgumentError('Only one of -z, -P, and -s can be specified at the same time');
  }
  if (flags.has('b')) throw new ArgumentError('VM state cannot be written yet: -b is not supported');
}

async function writeZeroes({ image, output }: IoContext, parsed: ParsedWords, offset: number, length: number): Promise<boolean> {
  const flags =
    (parsed.flags.has('f') ? WriteFlag.Fua : 0) |
    (parsed.flags.has('u') ? WriteFlag.MayUnmap : 0) |
    (parsed.flags.has('n') ? WriteFlag.NoFallback : 0);
  return failing(output, 'write', async () => {
    const seconds = await timed(output, () => image.writeZeroes(offset, length, flags));
    output.out(reportRequest('wrote', styleOf(parsed), offset, length, length, seconds));
    return true;
  });
}

async function writeBuffer(
  { image, output }: IoContext,
  parsed: ParsedWords,
  offset: number,
  buffer: Uint8Array,
  verb: string,
): Promise<boolean> {
  const flags = (parsed.flags.has('f') ? WriteFlag.Fua : 0) | (parsed.flags.has('c') ? WriteFlag.Compressed : 0);
  return failing(output, verb, async () => {
    const seconds = await timed(output, () => image.write(offset, buffer, 0, buffer.length, flags));
    output.out(reportRequest('wrote', styleOf(parsed), offset, buffer.length, buffer.length, seconds));
    return true;
  });
}

/** The bytes to write; undefined where a source file can't be read, which is told. */
async function content({ output }: IoContext, parsed: ParsedWords, length: number): Promise<Uint8Array | undefined> {
  const path = parsed.values.get('s');
  if (path === undefined) {
    const pattern = parsed.values.get('P');
    return new Uint8Array(length).fill(pattern === undefined ? DEFAULT_PATTERN : parsePattern(pattern));
  }
  const buffer = new Uint8Array(length);
  let source: Uint8Array;
  try {
    source = (await output.readFile?.(path)) ?? new Uint8Array(0);
  } catch (error) {
    output.err(`${path}: ${strerror(errnoOf(error))}\n`);
    return undefined;
  }
  if (source.length === 0) {
    output.err(`${path}: file is empty\n`);
    return undefined;
  }
  for (let at = 0; at < length; at += source.length) buffer.set(source.subarray(0, length - at), at);
  return buffer;
}
