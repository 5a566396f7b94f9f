/** `convert`: the content of images in a new one. */
import {
  convertImage, optionTable, parseCreateOptions, wantsHelp, type AnySource, type ConvertRequest,
} from '@blk/image';
import { BlockError, protocolDefinition, type BlockGraph } from '@blk/core-graph';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError, INTERRUPTED, say, type Tool } from '../tool.js';
import { checkList, COMMON, FORMAT_OF_OPTIONS, Options, sizeArgument, wantedSnapshot, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { progressStyle } from './compare.js';
import { convertToStream, isStream } from './convert-stream.js';
import { creationHelp } from './create.js';
import { startEarly } from './early-threads.js';

const MAX_SPARSE = 16 * 1024 * 1024;

export const convert: ImgCommand = {
  name: 'convert',
  synopsis:
    '[-c] [-p] [--progress=json] [-q] [-n] [--target-is-zero] [-U] [-C] [-W] [-f fmt] [-T src_cache] [-O output_fmt] [-t cache] ' +
    '[-B backing_file -F backing_fmt] [-o options] [-l snapshot] [--bitmaps [--skip-broken-bitmaps]] [-S sparse_size] [-r rate_limit] [-m parallel] [--salvage] [--image-opts] [--target-image-opts] ' +
    '[--untrusted] filename [filename2 …] output_filename',
  summary: 'copies the content of images into a new one',
  details: `  -f FMT, -O FMT       formats of the source and of the target (raw unless given)
  -o NAME=VALUE,…      options of the target's format; -o help lists them
  -c                   compresses
  -B FILE, -F FMT      the target becomes an overlay of this image, which has the content of the source's backing file
  -l SNAPSHOT          reads from an internal snapshot: its id or name, or snapshot.id=ID,snapshot.name=NAME
  --bitmaps            copies the persistent bitmaps; --skip-broken-bitmaps: but those that are out of date
  -n                   the target is there already; --target-is-zero: and reads as zeroes
  --salvage            what can't be read becomes zeroes, with a warning for each sector, but with -q
  -S SIZE              shortest run of zeroes that is left out (4k); 0: everything is written
  -m N                 most requests under way, 1 to 16 (8); -W: writes may go out of order
  -r SIZE              bytes a second
  -t CACHE, -T CACHE   cache modes of target (unsafe) and source (writeback)
  -C                   accepted: copying is left to this program in any case
  -p                   shows how far it is; --progress=json prints lines for programs
  -q                   says nothing
  -U, --force-share    reads even while another program writes
  --image-opts, --target-image-opts  source, target are lists of options
  --untrusted          follows no reference out of the source and guesses no format

The target - is standard output: the image is written front to back, its length being known beforehand; raw and qcow2, without -c.
`,
  options: [
    ...COMMON,
    ...specs(
      'f= O= B= F= C c o= l= S= p t= T= q n m= W U:force-share r= :target-image-opts :target-is-zero :salvage :bitmaps :skip-broken-bitmaps :progress=',
    ),
  ],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    for (const text of options.all('o')) checkList(text);
    startEarly(options);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const settings = settingsOf(tool, options);
    const names = options.operands;
    const format = options.get('O') ?? 'raw';
    if (wantsHelp(options.all('o'))) {
      tool.io.out(await creationHelp(graph, format, names.length > 1 ? names[names.length - 1] : undefined));
      return 0;
    }
    checkTogether(options);
    const snapshot = wantedSnapshot(tool, options.get('l'));
    if (names.length < 2) throw new ExitError(1, 'Must specify image file name');
    const target = names[names.length - 1];
    if (options.has('target-image-opts') && options.has('O')) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const quiet = options.has('q');
    const printer = new ProgressPrinter(tool.io, quiet ? 'none' : progressStyle(options));
    const progress = printer.callback;
    if (isStream(tool, target)) {
      return convertToStream(tool, graph, options, printer.style, {
        sources: names.slice(0, -1).map((name) => sourceOf(name, options.has('image-opts'))),
        format,
        options: await targetOptions(graph, format, target, options.all('o')),
        ...given('sourceFormat', settings.sourceFormat),
        ...given('sourceCache', settings.sourceCache),
        ...given('forceShare', settings.forceShare),
      });
    }
    try {
      await convertImage(graph, {
        ...settings,
        sources: names.slice(0, -1).map((name) => sourceOf(name, options.has('image-opts'))),
        target: sourceOf(target, options.has('target-image-opts')),
        format,
        options: await targetOptions(graph, format, target, options.all('o')),
        ...(progress ? { progress } : {}),
        ...given('snapshot', snapshot),
        ...given('bitmaps', bitmapCopy(tool, options)),
        ...given('salvage', options.has('salvage') ? lostTeller(tool, quiet) : undefined),
        signal: tool.io.signal,
      });
      printer.complete();
      return 0;
    } catch (error) {
      if (error instanceof BlockError && error.message.startsWith('error while')) {
        printer.end();
        say(tool, tool.alias ? error.message : `${error.message}; the target '${target}' is incomplete`);
        return 1;
      }
      if (tool.io.signal.aborted) throw new ExitError(INTERRUPTED, tool.alias ? '' : `interrupted: the target '${target}' is incomplete`);
      throw error;
    } finally {
      printer.end();
    }
  },
};

function settingsOf(tool: Tool, options: Options): Omit<ConvertRequest, 'sources' | 'target'> {
  const cache = cacheMode(options.get('t') ?? 'unsafe');
  const sourceCache = cacheMode(options.get('T') ?? 'writeback');
  const sparse = options.get('S');
  const parallel = options.get('m');
  const rate = options.get('r');
  const shortest = sparse === undefined ? undefined : sizeArgument(tool, 'buffer size for sparse output', sparse);
  if (shortest !== undefined && (shortest % 512 !== 0 || shortest > MAX_SPARSE)) {
    throw new ExitError(
      1,
      `Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to ${MAX_SPARSE}. Select 0 to disable sparse detection (fully allocates output).`,
    );
  }
  if (parallel !== undefined && (!/^\d+$/.test(parallel) || Number(parallel) < 1 || Number(parallel) > 16)) {
    throw new ExitError(1, 'Invalid number of coroutines. Allowed number of coroutines is between 1 and 16');
  }
  const rateLimit = rate === undefined ? undefined : sizeArgument(tool, 'rate limit', rate);
  if (cache === undefined) throw new ExitError(1, `Invalid cache option: ${options.get('t')}`);
  if (sourceCache === undefined) throw new ExitError(1, `Invalid source cache option: ${options.get('T')}`);
  return {
    ...given('sourceFormat', options.get('f')),
    ...given('backing', options.get('B')),
    ...given('backingFormat', options.get('F')),
    ...given('sparse', shortest),
    ...given('parallel', parallel === undefined ? undefined : Number(parallel)),
    ...given('rateLimit', rateLimit),
    sourceCache: { direct: sourceCache.direct, noFlush: sourceCache.noFlush },
    targetCache: { direct: cache.direct, noFlush: cache.noFlush },
    writeThrough: cache.writeThrough,
    compress: options.has('c'),
    noCreate: options.has('n'),
    targetIsZero: options.has('target-is-zero'),
    outOfOrder: options.has('W'),
    ...(options.has('force-share') ? { forceShare: true } : {}),
  };
}

function given<K extends string, V>(key: K, value: V | undefined): Record<K, V> | Record<string, never> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function bitmapCopy(tool: Tool, options: Options): ConvertRequest['bitmaps'] {
  if (!options.has('bitmaps')) return undefined;
  const skipBroken = (message: string): void => {
    say(tool, `warning: ${message}`);
  };
  return options.has('skip-broken-bitmaps') ? { skipBroken } : {};
}

function lostTeller(tool: Tool, quiet: boolean): ConvertRequest['salvage'] {
  return (message) => {
    if (!quiet) say(tool, `warning: ${message}`);
  };
}

/** Options that exclude or need each other. */
function checkTogether(options: Options): void {
  const refuse = (message: string): never => {
    throw new ExitError(1, message);
  };
  if (options.has('skip-broken-bitmaps') && !options.has('bitmaps')) refuse('Use of --skip-broken-bitmaps requires --bitmaps');
  if (options.has('n') && options.has('o')) refuse('-o has no effect when skipping image creation');
  if (options.has('C') && options.has('S')) refuse('Cannot enable copy offloading when -S is used');
  if (options.has('C') && options.has('c')) refuse('Cannot enable copy offloading when -c is used');
  if (options.has('C') && options.has('salvage')) refuse('Cannot use copy offloading in salvaging mode');
  if (options.has('image-opts') && options.has('f')) refuse(FORMAT_OF_OPTIONS);
  if (options.has('target-image-opts') && !options.has('n')) refuse('--target-image-opts requires use of -n flag');
  if (options.has('target-is-zero') && !options.has('n')) refuse('--target-is-zero requires use of -n flag');
  if (options.has('B') && !options.has('F') && !options.has('n')) refuse('Use of backing file requires explicit backing format');
}

async function targetOptions(graph: BlockGraph, format: string, target: AnySource, texts: readonly string[]): Promise<Record<string, unknown>> {
  const driver = graph.drivers.get(format);
  if (texts.length === 0 || driver === undefined || typeof target !== 'string') return {};
  const protocol = graph.drivers.get(String((await protocolDefinition(graph, target)).driver));
  // The disk is as large as its source, whatever they say.
  const given = Object.entries(parseCreateOptions(texts, optionTable(driver, protocol)));
  return Object.fromEntries(given.filter(([name]) => name !== 'size'));
}
