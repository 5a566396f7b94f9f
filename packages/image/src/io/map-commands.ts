/** Commands about the image rather than its content: `map`, `alloc`, `length`, `info`, `truncate`, `discard`, `flush`. */
import { BlockError, isPromise, type Backend, type Preallocation } from '@blk/core-graph';
import { failing, MAX_REQUEST, rangeOf, styleOf, timed, type IoCommand } from './command.js';
import { reportRequest } from './report.js';
import { ArgumentError, humanSize, parseNumber } from './sizes.js';
import { parseWords, UsageError } from './words.js';

export const mapCommand: IoCommand = {
  name: 'map',
  minimum: 0,
  maximum: 0,
  synopsis: '',
  summary: 'prints the allocated areas of a file',
  async run(_words, { image, output }) {
    for (let at = 0; at < image.size; ) {
      const run = await allocatedRun(image, at, image.size - at);
      const state = run.allocated ? '    allocated' : 'not allocated';
      output.out(`${humanSize(run.length)} (0x${run.length.toString(16)}) bytes ${state} at offset ${humanSize(at)} (0x${at.toString(16)})\n`);
      at += run.length;
    }
    return true;
  },
};

export const allocCommand: IoCommand = {
  name: 'alloc',
  aliases: ['a'],
  minimum: 1,
  maximum: 2,
  synopsis: 'offset [count]',
  summary: 'checks if offset is allocated in the file',
  async run(words, { image, output }) {
    const offset = parseNumber(words[0]);
    const count = words.length > 1 ? parseNumber(words[1]) : 512;
    let checked = 0;
    let allocated = 0;
    while (checked < count && offset + checked < image.size) {
      const run = await allocatedRun(image, offset + checked, count - checked);
      if (run.allocated) allocated += run.length;
      checked += run.length;
    }
    output.out(`${allocated}/${checked} bytes allocated at offset ${humanSize(offset)}\n`);
    return true;
  },
};

/** The run at `offset` that the image itself decides, or leaves to its backing file. */
async function allocatedRun(image: Backend, offset: number, length: number): Promise<{ length: number; allocated: boolean }> {
  const end = Math.min(offset + length, image.size);
  let at = offset;
  let state: boolean | undefined;
  while (at < end) {
    const found = image.root.extent(at, end - at);
    const extent = isPromise(found) ? await found : found;
    state ??= extent.allocated;
    if (extent.allocated !== state) break;
    at += extent.length;
  }
  return { length: at - offset, allocated: state ?? false };
}

export const lengthCommand: IoCommand = {
  name: 'length',
  aliases: ['l'],
  minimum: 0,
  maximum: 0,
  summary: 'gets the length of the current file',
  async run(_words, { image, output }) {
    output.out(`${humanSize(image.size)}\n`);
    return true;
  },
};

const PREALLOCATIONS: readonly string[] = ['off', 'metadata', 'falloc', 'full'] satisfies readonly Preallocation[];

export const truncateCommand: IoCommand = {
  name: 'truncate',
  aliases: ['t'],
  minimum: 1,
  maximum: 3,
  writes: true,
  synopsis: '[-m prealloc_mode] off',
  summary: 'truncates the current file at the given offset',
  async run(words, { image }) {
    const parsed = parseWords('truncate', words, 'm:');
    const mode = parsed.values.get('m') ?? 'off';
    if (!PREALLOCATIONS.includes(mode)) throw new BlockError('invalid-argument', `Invalid preallocation mode '${mode}'`);
    if (parsed.operands.length !== 1) throw new UsageError();
    const size = parseNumber(parsed.operands[0]);
    await image.truncate(size, { preallocation: mode as Preallocation, shrink: true });
    return true;
  },
};

export const discardCommand: IoCommand = {
  name: 'discard',
  aliases: ['d'],
  minimum: 2,
  maximum: -1,
  writes: true,
  synopsis: '[-Cq] off len',
  summary: 'discards a number of bytes at a specified offset',
  help: `
 Says that 'len' bytes at 'off' are no longer needed, for example 'discard 512 1k'.

 -C, -- print the counters in one line for programs
 -q, -- print no counters
`,
  async run(words, { image, output }) {
    const parsed = parseWords('discard', words, 'Cq');
    const { offset, length } = rangeOf(parsed);
    if (length > MAX_REQUEST) throw new ArgumentError(`length cannot exceed ${MAX_REQUEST}, given ${parsed.operands[1]}`);
    return failing(output, 'discard', async () => {
      const seconds = await timed(output, () => image.discard(offset, length));
      output.out(reportRequest('discard', styleOf(parsed), offset, length, length, seconds));
      return true;
    });
  },
};

export const flushCommand: IoCommand = {
  name: 'flush',
  aliases: ['f'],
  minimum: 0,
  maximum: 0,
  summary: 'flush all in-core file state to disk',
  async run(_words, { image, output }) {
    return failing(output, 'flush', async () => {
      await timed(output, () => image.flush());
      return true;
    });
  },
};
