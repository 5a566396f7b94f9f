/** `create`: makes an empty image. */
import { protocolDefinition } from '@blk/core-graph';
import { optionHelp, planCreation, wantsHelp } from '@blk/image';
import { BRIEF, makeGraph } from '../graph.js';
import { ExitError, UsageError } from '../tool.js';
import { ProgressPrinter } from '../progress.js';
import { progressStyle } from './compare.js';
import { checkList, COMMON, Options, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const create: ImgCommand = {
  name: 'create',
  synopsis: '[-q] [--progress=json] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]',
  summary: 'makes an empty image',
  details: `  -f FMT               format of the image; raw unless given
  -b FILE, -F FMT      its backing file, and that one's format
  -u                   takes the backing file's name as it is, without a look at it
  -o NAME=VALUE,…      options of the format; -o help lists them
  --progress=json      prints how far preallocation is, in lines for programs
  -q                   says nothing else
  --untrusted          follows no reference out of the backing file and guesses no format
`,
  options: [...COMMON.filter(({ long }) => long !== 'image-opts'), ...specs('f= F= b= u o= q :progress=')],
  long: true,

  async run(tool, parsed) {
    const options = new Options(parsed);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted'), host: BRIEF });
    const format = options.get('f') ?? 'raw';
    const texts = options.all('o');
    for (const text of texts) checkList(text);
    const [filename, size, ...more] = options.operands;
    if (wantsHelp(texts)) {
      tool.io.out(await creationHelp(graph, format, filename));
      return 0;
    }
    if (filename === undefined) throw new UsageError('Expecting image file name');
    const bytes = size === undefined ? undefined : sizeArgument(tool, 'image size', size);
    if (more.length > 0) throw new UsageError(`Unexpected argument: ${more[0]}`);
    const printer = new ProgressPrinter(tool.io, progressStyle(options));
    const progress = printer.callback;
    const plan = await planCreation(graph, filename, {
      format,
      options: texts,
      unsafe: options.has('u'),
      signal: tool.io.signal,
      ...(progress === undefined ? {} : { progress }),
      ...(bytes === undefined ? {} : { size: bytes }),
      ...(options.has('b') ? { backing: options.get('b') } : {}),
      ...(options.has('F') ? { backingFormat: options.get('F') } : {}),
    } as Parameters<typeof planCreation>[2]);
    if (!options.has('q')) tool.io.out(`${plan.line}\n`);
    // Nobody has looked at the backing file.
    const backingFormat = plan.options.get('backing_fmt');
    if (options.has('u') && backingFormat !== undefined && !graph.drivers.has(String(backingFormat))) {
      throw new ExitError(1, `${filename}: Parameter 'backing-fmt' does not accept value '${String(backingFormat)}'`);
    }
    try {
      await plan.run();
      printer.complete();
    } finally {
      printer.end();
    }
    return 0;
  },
};

/** The options that the format takes, and with a file name those of its protocol. */
export async function creationHelp(graph: ReturnType<typeof makeGraph>, format: string, filename: string | undefined): Promise<string> {
  const driver = graph.drivers.get(format);
  if (driver === undefined) throw new ExitError(1, `Unknown file format '${format}'`);
  const protocol = filename === undefined ? undefined : graph.driver(String((await protocolDefinition(graph, filename)).driver));
  return optionHelp(driver, protocol);
}
