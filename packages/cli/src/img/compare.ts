/** `compare`: whether two images have the same content. */
import { BlockError } from '@blk/core-graph';
import { compareImages, openSource } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter, type ProgressStyle } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError, UsageError } from '../tool.js';
import { COMMON, Options, refuseFormatOfOptions, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const compare: ImgCommand = {
  name: 'compare',
  synopsis: '[-f fmt] [-F fmt] [-T src_cache] [-p] [--progress=json] [-q] [-s] [-U] [--image-opts] [--untrusted] filename1 filename2',
  summary: 'tells whether two images have the same content',
  details: `  -f FMT, -F FMT       formats of the first and the second image
  -s                   strict: sizes and allocation have to be the same as well
  -p                   shows how far it is; --progress=json prints lines for programs
  -q                   says nothing
  -T CACHE             cache mode for reading: none, writeback (default), writethrough, directsync, unsafe
  -U, --force-share    reads even while another program writes
  --image-opts         the file names are lists of options
  --untrusted          follows no reference out of the images and guesses no format

Exit code: 0 the same, 1 different; 2: an image could not be opened, 3: what it holds could not be found out, 4: it could not be read.
`,
  options: [...COMMON, ...specs('f= F= T= p q s U:force-share :progress=')],
  long: true,
  failure: 2,

  async run(tool, parsed) {
    const options = new Options(parsed);
    if (options.operands.length !== 2) throw new UsageError('Expecting two image file names');
    const cache = cacheMode(options.get('T') ?? 'writeback');
    if (cache === undefined) throw new ExitError(2, `Invalid source cache option: ${options.get('T')}`);
    refuseFormatOfOptions(options, 2);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const [left, right] = options.operands;
    const open = async (name: string, format: string | undefined): ReturnType<typeof openSource> =>
      openSource(graph, sourceOf(name, options.has('image-opts')), {
        readOnly: true,
        cache: { direct: cache.direct, noFlush: cache.noFlush },
        ...(format === undefined ? {} : { format }),
        ...(options.has('force-share') ? { forceShare: true } : {}),
      });
    const quiet = options.has('q');
    const printer = new ProgressPrinter(tool.io, quiet ? 'none' : progressStyle(options));
    const tell = (text: string): void => {
      if (!quiet) tool.io.out(text);
    };
    try {
      const a = await open(left, options.get('f')).catch(trouble);
      const b = await open(right, options.get('F')).catch(trouble);
      const strict = options.has('s');
      const callback = printer.callback;
      const result = await compareImages(graph, a, b, { strict, names: [left, right], signal: tool.io.signal, ...(callback ? { progress: callback } : {}) }).catch(trouble);
      // A difference in what both have comes before the look at their sizes.
      const common = Math.min(a.size, b.size);
      if (result.sizesDiffer && !strict && (result.equal || (result.reason === 'content' && result.offset >= common))) {
        tell('Warning: Image size mismatch!\n');
      }
      if (result.equal) tell('Images are identical.\n');
      else if (result.reason === 'size') tell('Strict mode: Image size mismatch!\n');
      else if (result.reason === 'allocation') tell(`Strict mode: Offset ${result.offset} block status mismatch!\n`);
      else tell(`Content mismatch at offset ${result.offset}!\n`);
      printer.end();
      return result.equal ? 0 : 1;
    } finally {
      await graph.close();
    }
  },
};

/** Whatever keeps the images from being compared ends with a code of its own: 1 means that they differ. */
function trouble(error: unknown): never {
  const code = (error instanceof BlockError ? CODES.get(error.context.reason ?? '') : undefined) ?? 2;
  throw error instanceof Error ? Object.assign(new ExitError(code, error.message), { cause: error }) : error;
}

const CODES: ReadonlyMap<string, number> = new Map([['compare/extents', 3], ['compare/read', 4]]);

/** From `-p` and `--progress=`. */
export function progressStyle(options: Options): ProgressStyle {
  const given = options.get('progress');
  if (given === undefined) return options.has('p') ? 'text' : 'none';
  if (given !== 'json' && given !== 'text' && given !== 'none') throw new ExitError(1, '--progress must be used with json, text or none as argument.');
  return given;
}
