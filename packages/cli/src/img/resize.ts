/** `resize`: another size for an image. */
import type { Preallocation } from '@blk/core-graph';
import { parseSizeOption, resizeImage, SHRINK_WARNING } from '@blk/image';
import { BlockError } from '@blk/core-graph';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { sourceOf } from '../settings.js';
import { ExitError, UsageError, say, type Tool } from '../tool.js';
import { progressStyle } from './compare.js';
import { COMMON, Options, refuseFormatOfOptions, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

const MODES: readonly string[] = ['off', 'metadata', 'falloc', 'full'];

export const resize: ImgCommand = {
  name: 'resize',
  synopsis: '[-f fmt] [--preallocation=mode] [-q] [--progress=json] [--shrink] [--image-opts] filename [+|-]size',
  summary: 'changes the size of an image',
  details: `  size                 new size, or with + or - the difference; suffixes k, M, G, T, P and E
  -f FMT               format of the image
  --shrink             what lies beyond the new end may be lost
  --preallocation=MODE off (default), metadata, falloc or full: space for what is added
  --progress=json      prints how far preallocation is, in lines for programs
  -q                   says nothing else
  --image-opts         filename is a list of options
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('f= q :preallocation= :shrink :progress=')],
  long: true,
  lastIsOperand: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const preallocation = options.get('preallocation');
    if (preallocation !== undefined && !MODES.includes(preallocation)) throw new ExitError(1, `Invalid preallocation mode '${preallocation}'`);
    const [filename, size, ...more] = options.operands;
    if (filename === undefined || size === undefined || more.length > 0) throw new UsageError('Expecting image file name and size');
    const sign = size.startsWith('+') ? 'grow' : size.startsWith('-') ? 'shrink' : undefined;
    const bytes = sizeOf(sign === undefined ? size : size.slice(1));
    if (sign === undefined && bytes >= 2 ** 63) throw new ExitError(1, 'New image size must be positive');
    refuseFormatOfOptions(options);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const format = options.get('f');
    const printer = new ProgressPrinter(tool.io, progressStyle(options));
    const progress = printer.callback;
    try {
      await resizeImage(graph, sourceOf(filename, options.has('image-opts')), {
        size: bytes,
        shrink: options.has('shrink'),
        signal: tool.io.signal,
        ...(progress === undefined ? {} : { progress }),
        ...(sign === undefined ? {} : { relative: sign }),
        ...(preallocation === undefined ? {} : { preallocation: preallocation as Preallocation }),
        ...(format === undefined ? {} : { format }),
      });
      printer.complete();
    } catch (error) {
      return refused(tool, error);
    } finally {
      printer.end();
    }
    if (!options.has('q')) tool.io.out('Image resized.\n');
    return 0;
  },
};

function sizeOf(text: string): number {
  return parseSizeOption('size', text);
}

function refused(tool: Tool, error: unknown): number {
  if (!(error instanceof BlockError) || error.context.reason !== 'resize/shrink') throw error;
  say(tool, error.message);
  say(tool, `warning: ${SHRINK_WARNING}`);
  return 1;
}
