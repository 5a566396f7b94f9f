/** `measure`: how large the file of a new image would be. */
import { BlockError } from '@blk/core-graph';
import { loadSnapshot, measurable, measureImage, openSource, optionTable, parseCreateOptions, type Measured } from '@blk/image';
import { makeGraph } from '../graph.js';
import { errorIo, ProgressPrinter } from '../progress.js';
import { sourceOf } from '../settings.js';
import { ExitError, say, type Tool } from '../tool.js';
import { progressStyle } from './compare.js';
import { checkList, COMMON, FORMAT_OF_OPTIONS, formatOption, Options, outputStyle, sizeArgument, wantedSnapshot, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const measure: ImgCommand = {
  name: 'measure',
  synopsis:
    '[--output=ofmt] [--progress=json] [-O output_fmt] [-o options] [-U] [--untrusted] [--size N | [--object objectdef] [--image-opts] [-f fmt] [-l snapshot_param] filename]',
  summary: 'tells how large the file of a new image would be',
  details: `  --size=SIZE          for an empty disk of this size; or
  filename             for the content of this image; -f its format
  -O FMT               format of the new image (raw)
  -o NAME=VALUE,…      its options of creation
  --output=STYLE       human (default) or json
  -l SNAPSHOT          for the content of this internal snapshot: its id or name, or snapshot.id=ID,snapshot.name=NAME
  --progress=json      prints how far it is to standard error, in lines for programs
  -U, --force-share    looks at the image even while another program writes to it
  --image-opts         filename is a list of options
  --untrusted          follows no reference out of the image and guesses no format

Bytes: required for the content, fully allocated when all of the disk is written, bitmaps for the persistent bitmaps of the
image besides.
`,
  options: [...COMMON, ...specs('f= l= o= O= U:force-share :output= :size= :progress=')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const texts = options.all('o');
    for (const text of texts) checkList(text);
    const style = outputStyle(options);
    const size = options.has('size') ? sizeArgument(tool, 'image size', options.get('size') ?? '', 0, 2 ** 63) : undefined;
    const snapshot = wantedSnapshot(tool, options.get('l'));
    const [filename, ...more] = options.operands;
    if (more.length > 0) throw new ExitError(1, 'At most one filename argument is allowed.');
    const imageOpts = options.has('image-opts');
    if (filename === undefined && (imageOpts || options.has('f') || snapshot !== undefined)) throw new ExitError(1, '--image-opts, -f, and -l require a filename argument.');
    if (filename === undefined && size === undefined) throw new ExitError(1, 'Either --size N or one filename must be specified.');
    if (filename !== undefined && size !== undefined) throw new ExitError(1, '--size N cannot be used together with a filename.');
    if (imageOpts && options.has('f')) throw new ExitError(1, FORMAT_OF_OPTIONS);
    // Standard output is for the result.
    const printer = new ProgressPrinter(errorIo(tool.io), progressStyle(options));
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const node =
      filename === undefined
        ? undefined
        : await openSource(graph, sourceOf(filename, imageOpts), {
            readOnly: true,
            ...formatOption(options),
            ...(options.has('force-share') ? { forceShare: true } : {}),
            signal: tool.io.signal,
          });
    try {
      if (node !== undefined && snapshot !== undefined) await loadSnapshot(node, snapshot);
      const format = options.get('O') ?? 'raw';
      const driver = measurable(graph, format);
      const { size: among, ...given } = creationOptions(tool, texts, driver.name, () =>
        // What raw offers by itself is its file's to do.
        parseCreateOptions(texts, optionTable(driver, driver.name === 'raw' ? graph.drivers.get('file') : undefined)),
      );
      const of = node ?? (typeof among === 'number' && size === undefined ? among : (size ?? 0));
      const progress = printer.callback;
      const found = await measureImage(graph, { format, options: given, of, signal: tool.io.signal, ...(progress === undefined ? {} : { progress }) });
      tool.io.out(style === 'json' ? asJson(found) : asLines(found));
      return 0;
    } finally {
      printer.end();
      if (node !== undefined) await graph.release(node);
    }
  },
};

function creationOptions<T>(tool: Tool, texts: readonly string[], format: string, parse: () => T): T | Record<string, never> {
  if (texts.length === 0) return {};
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    say(tool, error.message);
    throw new ExitError(1, `Invalid options for file format '${format}'`);
  }
}

function asLines({ required, fullyAllocated, bitmaps }: Measured): string {
  const more = bitmaps === undefined ? '' : `bitmaps size: ${bitmaps}\n`;
  return `required size: ${BigInt(required)}\nfully allocated size: ${BigInt(fullyAllocated)}\n${more}`;
}

/** Numbers of any size in all their digits. */
function asJson({ required, fullyAllocated, bitmaps }: Measured): string {
  const more = bitmaps === undefined ? '' : `    "bitmaps": ${bitmaps},\n`;
  return `{\n${more}    "required": ${BigInt(required)},\n    "fully-allocated": ${BigInt(fullyAllocated)}\n}\n`;
}
