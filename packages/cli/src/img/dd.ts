/** `dd`: a part of an image's content, counted in blocks, as a new image. */
import { BlockError, messageOf } from '@blk/core-graph';
import { ddImage } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { sourceOf } from '../settings.js';
import { ExitError, say, type Tool } from '../tool.js';
import { COMMON, FORMAT_OF_OPTIONS, Options, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { progressStyle } from './compare.js';

const MAX_BLOCK = 0x7fffffff;

export const dd: ImgCommand = {
  name: 'dd',
  synopsis:
    '[--image-opts] [-U] [-f fmt] [-O output_fmt] [--progress=json] [--untrusted] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
  summary: 'copies a part of an image into a new one',
  details: `  if=FILE, of=FILE     where from and where to
  bs=SIZE              bytes of a block (512)
  count=N              most blocks from the start of the input; those that skip= leaves out are among them
  skip=N               blocks to leave out at the start
  -f FMT, -O FMT       formats of input and output (raw)
  -U, --force-share    reads even while another program writes
  --image-opts         if= is a list of options
  --progress=json      prints how far it is, in lines for programs
  --untrusted          follows no reference out of the input and guesses no format

Numbers may have the suffixes of sizes. Everything is written, zeroes too.
`,
  options: [...COMMON, ...specs('f= O= U:force-share :progress=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const operands = readOperands(tool, options.operands);
    const imageOpts = options.has('image-opts');
    const sourceFormat = options.get('f');
    const format = options.get('O') ?? 'raw';
    const { if: input, of: output } = operands;
    if (input === undefined || output === undefined) throw new ExitError(1, 'Must specify both input and output files');
    if (imageOpts && sourceFormat !== undefined) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const printer = new ProgressPrinter(tool.io, progressStyle(options));
    const progress = printer.callback;
    const complete = await ddImage(graph, {
      source: sourceOf(input, imageOpts),
      target: output,
      format,
      ...(sourceFormat === undefined ? {} : { sourceFormat }),
      ...(options.has('force-share') ? { forceShare: true } : {}),
      blockSize: operands.bs ?? 512,
      ...(operands.count === undefined ? {} : { count: operands.count }),
      ...(operands.skip === undefined ? {} : { skip: operands.skip }),
      ...(progress ? { progress } : {}),
      signal: tool.io.signal,
      create: async (size) => {
        const driver = graph.drivers.get(format);
        if (driver === undefined) throw new ExitError(1, 'Unknown file format');
        if (driver.create === undefined && driver.createFile === undefined) {
          throw new ExitError(1, `Format driver '${format}' does not support image creation`);
        }
        try {
          await graph.create(output, { format, size: format === 'raw' ? Math.ceil(size / 512) * 512 : size, unsafe: true, signal: tool.io.signal });
        } catch (error) {
          if (!(error instanceof BlockError)) throw error;
          throw new BlockError(error.kind, `${output}: error while creating output image: ${messageOf(error)}`, error.context, error);
        }
      },
    });
    if (!complete) say(tool, `${input}: cannot skip to specified offset`);
    return 0;
  },
};

interface Operands {
  if?: string;
  of?: string;
  bs?: number;
  count?: number;
  skip?: number;
}

function readOperands(tool: Tool, words: readonly string[]): Operands {
  const found: Operands = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = word.slice(equals + 1);
    switch (equals < 0 ? '' : name) {
      case 'if':
      case 'of':
        found[name as 'if' | 'of'] = value;
        break;
      case 'bs':
        found.bs = sizeArgument(tool, 'bs', value, 1, MAX_BLOCK);
        break;
      case 'count':
      case 'skip':
        found[name as 'count' | 'skip'] = sizeArgument(tool, name, value);
        break;
      default:
        throw new ExitError(1, `unrecognized operand ${name}`);
    }
  }
  return found;
}
