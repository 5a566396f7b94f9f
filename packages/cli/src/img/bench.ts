/** `bench`: how long many requests of one kind take. */
import { errnoOf, strerror } from '@blk/core-graph';
import { benchImage, openSource } from '@blk/image';
import { makeGraph } from '../graph.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError, say } from '../tool.js';
import { COMMON, formatOption, oneFile, Options, refuseFormatOfOptions, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

const MAX_INT = 0x7fffffff;
const AIO: readonly string[] = ['threads', 'native', 'io_uring'];

export const bench: ImgCommand = {
  name: 'bench',
  synopsis:
    '[-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--pattern=pattern] [-q] ' +
    '[-s buffer_size] [-S step_size] [-t cache] [-w] [-U] [--untrusted] filename',
  summary: 'measures how long requests take',
  details: `  -c N                 requests (75000)
  -d N                 most of them under way at a time (64)
  -w                   writes, instead of reading
  -o SIZE              offset of the first request (0)
  -s SIZE              length of each (4k)
  -S SIZE              from the start of one to that of the next (as long as they are); behind the end of the image it goes on at the start
  --pattern=N          the byte that is written (0)
  --flush-interval=N   a flush after so many writes; --no-drain: writes go on meanwhile
  -f FMT               format of the image
  -t CACHE             cache mode: none, writeback (default), writethrough, directsync, unsafe
  -n                   as -i native, which needs -t none or -t directsync
  -i AIO               threads, native or io_uring
  -q                   accepted, and without effect
  -U, --force-share    reads even while another program writes
  --image-opts         filename is a list of options
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('c= d= f= i= n o= q s= S= t= w U:force-share :flush-interval= :no-drain :pattern=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const number = (key: string, what: string, most: number, otherwise: number): number => {
      const text = options.get(key);
      if (text === undefined) return otherwise;
      const value = /^\s*\+?(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
      if (!(value <= most)) throw new ExitError(1, `Invalid ${what} specified`);
      return value;
    };
    const count = number('c', 'request count', MAX_INT, 75000);
    const depth = number('d', 'queue depth', MAX_INT, 64);
    const offset = options.has('o') ? sizeArgument(tool, 'offset', options.get('o') ?? '') : 0;
    const length = options.has('s') ? sizeArgument(tool, 'buffer size', options.get('s') ?? '', 0, MAX_INT) : 4096;
    const step = options.has('S') ? sizeArgument(tool, 'step_size', options.get('S') ?? '', 0, MAX_INT) : 0;
    const asked = options.get('i');
    if (asked !== undefined && !AIO.includes(asked)) throw new ExitError(1, `Invalid aio option: ${asked}`);
    const aio = options.has('n') && asked !== 'io_uring' ? 'native' : asked;
    const cache = cacheMode(options.get('t') ?? 'writeback');
    if (cache === undefined) throw new ExitError(1, 'Invalid cache mode');
    const pattern = number('pattern', 'pattern byte', 255, 0);
    const flushInterval = number('flush-interval', 'flush interval', MAX_INT, 0);
    const filename = oneFile(options);
    const write = options.has('w');
    if (!write && flushInterval > 0) throw new ExitError(1, '--flush-interval is only available in write tests');
    if (flushInterval > 0 && flushInterval < depth) throw new ExitError(1, "Flush interval can't be smaller than depth");
    if (depth < 1) throw new ExitError(1, 'Invalid queue depth specified');
    refuseFormatOfOptions(options);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const node = await openSource(graph, sourceOf(filename, options.has('image-opts')), {
      readOnly: !write,
      ...formatOption(options),
      cache: { direct: cache.direct, noFlush: cache.noFlush },
      ...(aio === undefined ? {} : { aio: aio as 'threads' | 'native' | 'io_uring' }),
      ...(options.has('force-share') ? { forceShare: true } : {}),
      signal: tool.io.signal,
    });
    try {
      tool.io.out(
        `Sending ${count} ${write ? 'write' : 'read'} requests, ${length} bytes each, ${depth} in parallel ` +
          `(starting at offset ${BigInt(offset)}, step size ${step === 0 ? length : step})\n` +
          (flushInterval > 0 ? `Sending flush every ${flushInterval} requests\n` : ''),
      );
      const ms = await benchImage(graph, node, {
        write, count, depth, offset, length, step: step === 0 ? length : step, pattern, flushInterval,
        drain: !options.has('no-drain'),
        writeThrough: cache.writeThrough,
        signal: tool.io.signal,
      });
      tool.io.out(`Run completed in ${(ms / 1000).toFixed(3)} seconds.\n`);
      return 0;
    } catch (error) {
      tool.io.signal.throwIfAborted();
      say(tool, `Failed request: ${strerror(errnoOf(error))}`);
      return 1;
    } finally {
      await graph.release(node);
    }
  },
};
