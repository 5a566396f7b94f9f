/** `commit`: what an overlay holds goes into an image below it. */
import { commitImage } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError } from '../tool.js';
import { COMMON, formatOption, oneFile, Options, refuseFormatOfOptions, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { progressStyle } from './compare.js';

export const commit: ImgCommand = {
  name: 'commit',
  synopsis: '[--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] [--progress=json] [--untrusted] filename',
  summary: 'writes what an image holds into its backing file, and empties it',
  details: `  -f FMT               format of the image
  -b BASE              the image of its chain that takes the content, named as its overlay names it; then the image is not emptied
  -d                   does not empty the image
  -t CACHE             cache mode for writing: none, writeback (default), writethrough, directsync, unsafe
  -r SIZE              bytes a second
  -p                   shows how far it is; --progress=json prints lines for programs
  -q                   says nothing
  --image-opts         filename is a list of options
  --untrusted          follows no reference out of the image: there is nothing to commit to

The backing file grows where it is shorter. Nothing is taken out of the image before the backing file has it on stable storage.
`,
  options: [...COMMON, ...specs('f= t= b= d p q r= :progress=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const rate = options.get('r');
    const rateLimit = rate === undefined ? undefined : sizeArgument(tool, 'rate limit', rate);
    const filename = oneFile(options);
    const cache = cacheMode(options.get('t') ?? 'writeback');
    if (cache === undefined) throw new ExitError(1, `Invalid cache option: ${options.get('t')}`);
    refuseFormatOfOptions(options);
    const quiet = options.has('q');
    const printer = new ProgressPrinter(tool.io, quiet ? 'none' : progressStyle(options));
    const progress = printer.callback;
    const base = options.get('b');
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    try {
      await commitImage(graph, sourceOf(filename, options.has('image-opts')), {
        ...formatOption(options),
        cache: { direct: cache.direct, noFlush: cache.noFlush },
        writeThrough: cache.writeThrough,
        keep: options.has('d'),
        ...(base === undefined ? {} : { base }),
        ...(rateLimit === undefined ? {} : { rateLimit }),
        ...(progress ? { progress } : {}),
        signal: tool.io.signal,
      });
      printer.complete();
    } finally {
      printer.end();
    }
    if (!quiet) tool.io.out('Image committed.\n');
    return 0;
  },
};
