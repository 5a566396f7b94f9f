/** `check`: whether an image fits together, and its repair. */
import { BlockError, CHECK_TOLD, strerror, type Repair } from '@blk/core-graph';
import { checkImage, NO_CHECKS, type ImageCheck } from '@blk/image';
import { makeGraph } from '../graph.js';
import { errorIo, ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { jsonText } from '../text.js';
import { ExitError, say, UsageError, type Tool } from '../tool.js';
import { progressStyle } from './compare.js';
import { COMMON, oneFile, Options, outputStyle, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const check: ImgCommand = {
  name: 'check',
  synopsis: '[--object objectdef] [--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [--progress=json] [-U] filename',
  summary: 'looks for what does not fit together in an image, and repairs it',
  details: `  -f, --format=FMT     format of the image; recognised by its content unless given
  --output=STYLE       human (default) or json
  -r, --repair=WHAT    leaks: frees what is allocated without use; all: repairs everything that can be
  -T CACHE             how the image is read: writeback (default), none, writethrough, directsync, unsafe
  --progress=json      prints how far it is to standard error, in lines for programs
  -U, --force-share    looks at it even while another program writes to it
  -q                   says nothing but errors
  --image-opts         filename is a list of options: driver=qcow2,file.filename=x
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('f:format= :output= r:repair= T= U:force-share q :progress=')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const repair = repairOf(options.get('repair'));
    const style = outputStyle(options);
    const filename = oneFile(options);
    const format = options.get('format');
    const imageOpts = options.has('image-opts');
    const cacheName = options.get('T') ?? 'writeback';
    const cache = cacheMode(cacheName);
    if (cache === undefined) throw new ExitError(1, `Invalid source cache option: ${cacheName}`);
    if (imageOpts && format !== undefined) throw new ExitError(1, '--image-opts and --format are mutually exclusive');
    const quiet = options.has('q');
    const printer = new ProgressPrinter(errorIo(tool.io), quiet ? 'none' : progressStyle(options));
    const { callback: progress } = printer;
    const out = (text: string): void => {
      if (!quiet) tool.io.out(text);
    };
    try {
      const found = await checkImage(makeGraph(tool, { untrusted: options.has('untrusted') }), sourceOf(filename, imageOpts), {
        repair,
        cache: { direct: cache.direct, noFlush: cache.noFlush },
        signal: tool.io.signal,
        finding: (text) => {
          tool.io.err(`${text}\n`);
        },
        repaired: (leaks, corruptions) => {
          if (style === 'human') out(repairedText(leaks, corruptions));
        },
        ...(progress === undefined ? {} : { progress }),
        ...(format === undefined ? {} : { format }),
        ...(options.has('force-share') ? { forceShare: true } : {}),
      });
      out(style === 'json' ? jsonText(ordered(found)) : humanCheck(found));
      return exitCode(tool, found);
    } catch (error) {
      return failed(tool, error);
    } finally {
      printer.end();
    }
  },
};

function repairOf(text: string | undefined): Repair {
  if (text === undefined) return 'none';
  if (text !== 'leaks' && text !== 'all') throw new UsageError(`Unknown option value for -r (expecting 'leaks' or 'all'): ${text}`);
  return text;
}

function exitCode(tool: Tool, found: ImageCheck): number {
  if (found['check-errors'] > 0) {
    say(tool, 'Check failed');
    return 1;
  }
  if ((found.corruptions ?? 0) > 0) return 2;
  return (found.leaks ?? 0) > 0 ? 3 : 0;
}

/** The end of a check that could not be done. Opening has its own words, and names the image. */
function failed(tool: Tool, error: unknown): number {
  if (!(error instanceof BlockError) || error.message.startsWith('Could not open ')) throw error;
  if (error.context.reason === NO_CHECKS) {
    say(tool, error.message);
    return 63;
  }
  if (error.context.reason !== CHECK_TOLD) say(tool, error.message);
  say(tool, `Check failed: ${strerror(error.errno)}`);
  return 1;
}

function repairedText(leaks: number, corruptions: number): string {
  return (
    'The following inconsistencies were found and repaired:\n\n' +
    `    ${leaks} leaked clusters\n    ${corruptions} corruptions\n\nDouble checking the fixed image now...\n`
  );
}

export function humanCheck(found: ImageCheck): string {
  const { corruptions = 0, leaks = 0, 'check-errors': errors } = found;
  let text = '';
  if (corruptions === 0 && leaks === 0 && errors === 0) text += 'No errors were found on the image.\n';
  if (corruptions > 0) {
    text += `\n${corruptions} errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n`;
  }
  if (leaks > 0) text += `\n${leaks} leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n`;
  if (errors > 0) text += `\n${errors} internal errors have occurred during the check.\n`;
  const { 'total-clusters': total = 0, 'allocated-clusters': allocated = 0 } = found;
  if (total > 0 && allocated > 0) {
    const fragmented = percent(found['fragmented-clusters'] ?? 0, allocated);
    const compressed = percent(found['compressed-clusters'] ?? 0, allocated);
    text += `${allocated}/${total} = ${percent(allocated, total)}% allocated, ${fragmented}% fragmented, ${compressed}% compressed clusters\n`;
  }
  const end = found['image-end-offset'] ?? 0;
  return end > 0 ? `${text}Image end offset: ${end}\n` : text;
}

/** Two decimals as the C library rounds them: a tie goes to the even digit (`toFixed` takes the larger). */
function percent(part: number, whole: number): string {
  const value = (part * 100) / whole;
  // The reference rounds what lies in the middle to the even digit; only odd multiples of 1/8 lie exactly there.
  const middle = Math.abs((value * 8) % 2) === 1;
  return (middle && Math.floor(value * 100) % 2 === 0 ? Math.floor(value * 100) / 100 : value).toFixed(2);
}

/** The order in which the reference tool prints the members. */
const ORDER: readonly (keyof ImageCheck)[] = [
  'image-end-offset', 'compressed-clusters', 'total-clusters', 'corruptions', 'corruptions-fixed', 'check-errors', 'leaks', 'leaks-fixed',
  'allocated-clusters', 'filename', 'format', 'fragmented-clusters',
];

function ordered(found: ImageCheck): Partial<ImageCheck> {
  return Object.fromEntries(ORDER.filter((name) => found[name] !== undefined).map((name) => [name, found[name]]));
}
