/** `rebase`: another backing file for an image. */
import { rebaseImage } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError, UsageError } from '../tool.js';
import { COMMON, FORMAT_OF_OPTIONS, formatOption, Options, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { progressStyle } from './compare.js';

export const rebase: ImgCommand = {
  name: 'rebase',
  synopsis:
    '[--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [--progress=json] [-u] [--untrusted] ' +
    '-b backing_file [-F backing_fmt] filename',
  summary: 'gives an image another backing file',
  details: `  -b FILE              the new backing file, as the image is to name it; "" for none
  -F FMT               its format
  -u                   only the name changes: the new file is known to have the content of the old one, and neither is looked at
  -f FMT               format of the image
  -t CACHE, -T CACHE   cache modes for writing the image and for reading backing files (writeback)
  -p                   shows how far it is; --progress=json prints lines for programs
  -q                   says nothing
  -U, --force-share    accepted, and without effect
  --image-opts         filename is a list of options
  --untrusted          follows no reference out of the image: only -u, and -b "", can be done

Unless -u is given the content of the image stays the same: what the new backing file has otherwise is copied into the image.
`,
  options: [...COMMON, ...specs('f= F= b= u p q t= T= U:force-share :progress=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    if (options.operands.length !== 1) throw new UsageError('Expecting one image file name');
    const [filename] = options.operands;
    const unsafe = options.has('u');
    if (!unsafe && !options.has('b')) throw new UsageError('Must specify backing file (-b) or use unsafe mode (-u)');
    const imageOpts = options.has('image-opts');
    if (imageOpts && options.has('f')) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const cache = cacheMode(options.get('t') ?? 'writeback');
    if (cache === undefined) throw new ExitError(1, `Invalid cache option: ${options.get('t')}`);
    const sourceCache = cacheMode(options.get('T') ?? 'writeback');
    if (sourceCache === undefined) throw new ExitError(1, `Invalid source cache option: ${options.get('T')}`);
    const printer = new ProgressPrinter(tool.io, options.has('q') ? 'none' : progressStyle(options));
    const progress = printer.callback;
    const backing = options.get('b');
    const backingFormat = options.get('F');
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    try {
      progress?.(0, 1);
      await rebaseImage(graph, sourceOf(filename, imageOpts), {
        ...formatOption(options),
        unsafe,
        cache: { direct: cache.direct, noFlush: cache.noFlush },
        writeThrough: cache.writeThrough,
        sourceCache: { direct: sourceCache.direct, noFlush: sourceCache.noFlush },
        ...(backing === undefined ? {} : { backing }),
        ...(backingFormat === undefined ? {} : { backingFormat }),
        ...(progress ? { progress } : {}),
        signal: tool.io.signal,
      });
      printer.complete();
      return 0;
    } finally {
      printer.end();
    }
  },
};
