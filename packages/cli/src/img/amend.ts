/** `amend`: other properties for an image that is there. */
import { amendHelp, amendImage, openSource, wantsHelp } from '@blk/image';
import { makeGraph } from '../graph.js';
import { ProgressPrinter } from '../progress.js';
import { cacheMode, sourceOf } from '../settings.js';
import { ExitError, UsageError } from '../tool.js';
import { progressStyle } from './compare.js';
import { COMMON, Options, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const amend: ImgCommand = {
  name: 'amend',
  synopsis: '[--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t cache] [--force] -o options filename',
  summary: 'changes properties of an image',
  details: `  -o OPTIONS           what to change: name=value,name=value; -o help lists what there is
  -f FMT               format of the image; recognised by its content unless given
  -t CACHE             how the image is written: writeback (default), none, writethrough, directsync, unsafe
  --force              changes that may make data unreachable are meant
  -p                   shows how far it is; --progress=json prints lines for programs
  -q                   says nothing
  --image-opts         filename is a list of options: driver=qcow2,file.filename=x
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('o= f= t= p q :force :progress=')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const texts = options.all('o');
    if (texts.length === 0) throw new UsageError('Must specify options (-o)');
    const format = options.get('f');
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const [filename, ...more] = options.operands;
    if (format !== undefined && wantsHelp(texts)) {
      const driver = graph.drivers.get(format);
      if (driver === undefined) throw new ExitError(1, `Unknown file format '${format}'`);
      tool.io.out(amendHelp(driver));
      return 0;
    }
    if (filename === undefined || more.length > 0) throw new ExitError(1, 'Expecting one image file name');
    const cacheName = options.get('t') ?? 'writeback';
    const cache = cacheMode(cacheName);
    if (cache === undefined) throw new ExitError(1, `Invalid cache option: ${cacheName}`);
    if (options.has('image-opts') && format !== undefined) throw new ExitError(1, '--image-opts and --format are mutually exclusive');
    const source = sourceOf(filename, options.has('image-opts'));
    if (wantsHelp(texts)) {
      const node = await openSource(graph, source, { readOnly: true, noBacking: true, noIo: true });
      try {
        tool.io.out(amendHelp(graph.driver(node.driverName)));
      } finally {
        await graph.release(node);
      }
      return 0;
    }
    const style = options.has('q') ? 'none' : progressStyle(options);
    const printer = new ProgressPrinter(tool.io, style);
    const { callback } = printer;
    try {
      await amendImage(graph, source, {
        options: texts,
        cache: { direct: cache.direct, noFlush: cache.noFlush },
        force: options.has('force'),
        signal: tool.io.signal,
        ...(format === undefined ? {} : { format }),
        ...(callback === undefined ? {} : { progress: callback }),
      });
      printer.complete();
    } finally {
      printer.end();
    }
    return 0;
  },
};
