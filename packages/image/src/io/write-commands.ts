/** `write` and `writev`: a pattern, a file's bytes, or zeroes. */
import { BlockError, errnoOf, strerror, WriteFlag, type Backend, type Completion } from '@blk/core-graph';
import { storesCompressed } from '../open.js';
import { checkSectors, bufferFor, failing, MAX_REQUEST, rangeOf, styleOf, timed, vectorOf, type IoCommand, type IoContext, type IoOutput } from './command.js';
import { reportRequest } from './report.js';
import { ArgumentError } from './sizes.js';
import { noState, stateHolder } from './vm-state.js';
import { parsePattern, parseWords, type ParsedWords } from './words.js';

/** What is written where no pattern is given. */
const DEFAULT_PATTERN = 0xcd;

export const writeCommand: IoCommand = {
  name: 'write',
  aliases: ['w'],
  minimum: 2,
  maximum: -1,
  writes: true,
  synopsis: '[-bcCfnquz] [-P pattern | -s source_file] off len',
  summary: 'writes a number of bytes at a specified offset',
  help: `
 Writes 'len' bytes at 'off' of the open image, for example 'write -P 7 512 1k'; 0xcd unless told otherwise.

 -b, -- write the state of the virtual machine rather than the disk
 -c, -- store compressed
 -f, -- complete only when the data is on stable storage
 -n, -- with -z, fail rather than write zero bytes one by one
 -p, -- ignored
 -P, -- write this byte
 -s, -- write the bytes of a file, over and over
 -C, -- print the counters in one line for programs
 -q, -- print no counters
 -u, -- with -z, space may be given back
 -z, -- write zeroes
`,
  async run(words, context) {
    const parsed = parseWords('write', words, 'bcCfnpP:qs:uz');
    const { flags } = parsed;
    const pattern = patternOf(parsed);
    const { offset, length } = checkedRange(parsed);
    if (flags.has('z')) return writeZeroes(context, parsed, offset, length);
    const source = parsed.values.get('s');
    const bytes = source === undefined ? undefined : await load(context.output, source);
    if (source !== undefined && bytes === undefined) return false;
    return writeBytes(context, parsed, offset, length, 'write', (buffer) => {
      if (bytes !== undefined) repeatInto(buffer, bytes);
      else buffer.fill(pattern);
    });
  },
};

export const writevCommand: IoCommand = {
  name: 'writev',
  minimum: 2,
  maximum: -1,
  writes: true,
  synopsis: '[-Cfq] [-P pattern] off len [len..]',
  summary: 'writes a number of bytes at a specified offset',
  help: `
 Writes from one buffer for each 'len', one after the other, for example 'writev 512 1k 1k'.

 -P, -- write this byte
 -C, -- print the counters in one line for programs
 -f, -- complete only when the data is on stable storage
 -q, -- print no counters
`,
  async run(words, context) {
    const parsed = parseWords('writev', words, 'CfqP:');
    const pattern = patternOf(parsed);
    const { offset, length } = vectorOf(parsed);
    return writeBytes(context, parsed, offset, length, 'writev', (buffer) => {
      buffer.fill(pattern);
    });
  },
};

/** The byte that `-P` gives, or the usual one. */
export function patternOf({ values }: ParsedWords): number {
  const text = values.get('P');
  return text === undefined ? DEFAULT_PATTERN : parsePattern(text);
}

/** The flags of a request by the letters `f`, `u`, `n` and `c`. */
export function writeFlagsOf({ flags }: ParsedWords): number {
  return (
    (flags.has('f') ? WriteFlag.Fua : 0) |
    (flags.has('u') ? WriteFlag.MayUnmap : 0) |
    (flags.has('n') ? WriteFlag.NoFallback : 0) |
    (flags.has('c') ? WriteFlag.Compressed : 0)
  );
}

function checkedRange(parsed: ParsedWords): { readonly offset: number; readonly length: number } {
  const { flags, values } = parsed;
  const given = rangeCount(parsed);
  if (flags.has('b') && flags.has('z')) throw new ArgumentError('-b and -z cannot be specified at the same time');
  if (flags.has('f') && (flags.has('b') || flags.has('c'))) throw new ArgumentError('-f and -b or -c cannot be specified at the same time');
  if (flags.has('n') && !flags.has('z')) throw new ArgumentError('-n requires -z to be specified');
  if (flags.has('u') && !flags.has('z')) throw new ArgumentError('-u requires -z to be specified');
  if (Number(flags.has('z')) + Number(values.has('P')) + Number(values.has('s')) > 1) {
    throw new ArgumentError('Only one of -z, -P, and -s can be specified at the same time');
  }
  const { offset, length } = given();
  if (length > MAX_REQUEST && !flags.has('n')) {
    throw new ArgumentError(`length cannot exceed ${MAX_REQUEST} without -n, given ${parsed.operands[1]}`);
  }
  if (flags.has('b') || flags.has('c')) checkSectors(offset, length);
  return { offset, length };
}

/** The number of operands is looked at before the options, their values after them. */
function rangeCount(parsed: ParsedWords): () => { readonly offset: number; readonly length: number } {
  if (parsed.operands.length !== 2) rangeOf(parsed);
  return () => rangeOf(parsed);
}

async function writeZeroes({ image, output }: IoContext, parsed: ParsedWords, offset: number, length: number): Promise<boolean> {
  return failing(output, 'write', async () => {
    const seconds = await timed(output, () => image.writeZeroes(offset, length, writeFlagsOf(parsed)));
    output.out(reportRequest('wrote', styleOf(parsed), offset, length, length, seconds));
    return true;
  });
}

async function writeBytes(
  { image, output }: IoContext,
  parsed: ParsedWords,
  offset: number,
  length: number,
  verb: string,
  fill: (buffer: Uint8Array) => void,
): Promise<boolean> {
  return failing(output, verb, async () => {
    const state = parsed.flags.has('b');
    const stored = !parsed.flags.has('c') || offset + length > image.size || storesCompressed(image.root);
    if (!stored) throw new BlockError('unsupported', 'Compression not supported for this file format');
    const buffer = state ? new Uint8Array(length) : bufferFor(image, offset, length, 0);
    fill(buffer);
    const seconds = await timed(output, () =>
      state ? writeState(image, offset, buffer) : image.write(offset, buffer, 0, length, writeFlagsOf(parsed)),
    );
    output.out(reportRequest('wrote', styleOf(parsed), offset, length, length, seconds));
    return true;
  });
}

function writeState({ root, graph }: Backend, offset: number, buffer: Uint8Array): Completion {
  const holder = stateHolder(root);
  const { driver } = holder;
  if (driver.writeVmState === undefined) throw noState();
  if (holder.readOnly) throw new BlockError('read-only', 'Image is read-only', { node: holder.name });
  return graph.drained([holder], async () => driver.writeVmState?.(offset, buffer, 0, buffer.length));
}

/** The bytes of a source file; undefined where there are none to be had, which is told. */
async function load(output: IoOutput, path: string): Promise<Uint8Array | undefined> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await output.readFile?.(path);
  } catch (error) {
    output.err(`${path}: ${strerror(errnoOf(error))}\n`);
    return undefined;
  }
  if (bytes === undefined) throw new BlockError('unsupported', 'Files cannot be read here');
  if (bytes.length > 0) return bytes;
  output.err(`${path}: file is empty\n`);
  return undefined;
}

function repeatInto(buffer: Uint8Array, bytes: Uint8Array): void {
  for (let at = 0; at < buffer.length; at += bytes.length) buffer.set(bytes.subarray(0, buffer.length - at), at);
}
