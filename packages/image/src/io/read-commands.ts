/** `read` and `readv`: into a buffer, dumped or compared with a pattern. */
import { failing, MAX_REQUEST, styleOf, timed, usageLine, type IoCommand, type IoContext } from './command.js';
import { dump, reportRequest } from './report.js';
import { ArgumentError, parseNumber } from './sizes.js';
import { parsePattern, parseWords, type ParsedWords } from './words.js';

export const readCommand: IoCommand = {
  name: 'read',
  aliases: ['r'],
  minimum: 2,
  maximum: -1,
  synopsis: '[-abCqv] [-P pattern [-s off] [-l len]] off len',
  summary: 'reads a number of bytes at a specified offset',
  help: `
 Reads 'len' bytes at 'off' of the open image, for example 'read -v 512 1k'.

 -C, -- print the counters in one line for programs
 -l, -- length that is compared with the pattern (with -P)
 -P, -- compare what was read with a byte
 -q, -- print no counters
 -s, -- first byte that is compared with the pattern (with -P)
 -v, -- dump what was read
`,
  async run(words, context) {
    const parsed = parseWords('read', words, 'abCl:pP:qs:v');
    if (parsed.operands.length !== 2 || (!parsed.values.has('P') && (parsed.values.has('s') || parsed.values.has('l')))) {
      context.output.out(usageLine(context.command));
      return false;
    }
    const [first, second] = parsed.operands;
    const offset = parseNumber(first);
    const length = parseNumber(second);
    if (length > MAX_REQUEST) throw new ArgumentError(`length cannot exceed ${MAX_REQUEST}, given ${second}`);
    return readAndShow(context, parsed, offset, length, 'read');
  },
};

export const readvCommand: IoCommand = {
  name: 'readv',
  aliases: ['rv'],
  minimum: 2,
  maximum: -1,
  synopsis: '[-Cqv] [-P pattern] off len [len..]',
  summary: 'reads a number of bytes at a specified offset',
  help: `
 Reads into one buffer for each 'len', one after the other, for example 'readv -v 512 1k 1k'.

 -C, -- print the counters in one line for programs
 -P, -- compare what was read with a byte
 -q, -- print no counters
 -v, -- dump what was read
`,
  async run(words, context) {
    const parsed = parseWords('readv', words, 'CP:qv');
    if (parsed.operands.length < 2) {
      context.output.out(usageLine(context.command));
      return false;
    }
    const [offset, ...lengths] = parsed.operands.map(parseNumber);
    return readAndShow(context, parsed, offset, sum(lengths), 'readv');
  },
};

async function readAndShow(
  { image, output }: IoContext,
  parsed: ParsedWords,
  offset: number,
  length: number,
  verb: string,
): Promise<boolean> {
  const pattern = parsed.values.has('P') ? parsePattern(parsed.values.get('P') ?? '') : undefined;
  const from = parseNumber(parsed.values.get('s') ?? '0');
  const count = parsed.values.has('l') ? parseNumber(parsed.values.get('l') ?? '') : length - from;
  if (from > length || count < 0 || from + count > length) {
    throw new ArgumentError('pattern verification range exceeds end of read data');
  }
  return failing(output, verb, async () => {
    const buffer = new Uint8Array(length).fill(0xab);
    const seconds = await timed(output, () => image.read(offset, buffer, 0, length));
    let same = true;
    if (pattern !== undefined && !buffer.subarray(from, from + count).every((byte) => byte === pattern)) {
      output.out(`Pattern verification failed at offset ${offset + from}, ${count} bytes\n`);
      same = false;
    }
    if (parsed.flags.has('q')) return same;
    if (parsed.flags.has('v')) output.out(dump(buffer, offset));
    output.out(reportRequest('read', styleOf(parsed), offset, length, length, seconds));
    return same;
  });
}

function sum(lengths: readonly number[]): number {
  const total = lengths.reduce((a, b) => a + b, 0);
  if (total > MAX_REQUEST) throw new ArgumentError(`Argument too large: total length exceeds ${MAX_REQUEST} bytes`);
  return total;
}
