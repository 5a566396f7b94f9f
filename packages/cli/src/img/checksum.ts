/** `checksum`: one value for the content of a disk, whatever format it is in. */
import { checksumImage, openSource } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { jsonText } from '../text.js';
import { ExitError } from '../tool.js';
import { COMMON, FORMAT_OF_OPTIONS, formatOption, oneFile, Options, outputStyle, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { progressStyle } from './compare.js';

export const checksum: ImgCommand = {
  name: 'checksum',
  own: true,
  synopsis:
    '[--image-opts] [-f fmt] [-T src_cache] [--start-offset=offset] [--max-length=len] [--output=human|json] [-p] [--progress=json] [-U] [--untrusted] filename',
  summary: "gives one value for the content of a disk, the same in any format",
  details: `  -f, --format=FMT         format of the image
  -s, --start-offset=SIZE  where to begin
  -l, --max-length=SIZE    how far to go
  --output=STYLE           human (default): value and file name; json
  -T CACHE                 cache mode for reading (writeback)
  -p                       shows how far it is; --progress=json prints lines for programs
  -U, --force-share        reads even while another program writes
  --image-opts             filename is a list of options
  --untrusted              follows no reference out of the image and guesses no format

Ranges that an image knows to be zero are not read. The value is a SHA-256 over a tree of hashes; how it is made is described
in docs/cli/checksum.md.
`,
  options: [...COMMON, ...specs('f:format= s:start-offset= l:max-length= :output= T= p U:force-share :progress=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const size = (key: string, what: string): number | undefined => {
      const text = options.get(key);
      return text === undefined ? undefined : sizeArgument(tool, what, text);
    };
    const start = size('start-offset', 'start offset');
    const length = size('max-length', 'max length');
    const style = outputStyle(options);
    const filename = oneFile(options);
    const cache = cacheMode(options.get('T') ?? 'writeback');
    if (cache === undefined) throw new ExitError(1, `Invalid source cache option: ${options.get('T')}`);
    const imageOpts = options.has('image-opts');
    if (imageOpts && options.has('format')) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const printer = new ProgressPrinter(tool.io, progressStyle(options));
    const progress = printer.callback;
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const node = await openSource(graph, sourceOf(filename, imageOpts), {
      readOnly: true,
      ...formatOption(options),
      cache: { direct: cache.direct, noFlush: cache.noFlush },
      ...(options.has('force-share') ? { forceShare: true } : {}),
      signal: tool.io.signal,
    });
    try {
      const found = await checksumImage(node, {
        ...(start === undefined ? {} : { start }),
        ...(length === undefined ? {} : { length }),
        ...(progress ? { progress } : {}),
        signal: tool.io.signal,
      }).finally(() => {
        printer.end();
      });
      tool.io.out(style === 'json' ? jsonText({ filename, ...found }) : `${found.value}  ${filename}\n`);
      return 0;
    } finally {
      await graph.release(node);
    }
  },
};
