/** `map`: which ranges of an image hold data, and where. */
import { mapImage, openSource, type MapEntry } from '@blk/image';
import { makeGraph } from '../graph.js';
import { errorIo, ProgressPrinter } from '../progress.js';
import { sourceOf } from '../settings.js';
import { escapeBeyondAscii, hex } from '../text.js';
import { ExitError } from '../tool.js';
import { progressStyle } from './compare.js';
import { COMMON, FORMAT_OF_OPTIONS, oneFile, Options, outputStyle, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

/** Lines gathered before they are written. */
const BATCH = 1000;

export const map: ImgCommand = {
  name: 'map',
  synopsis: '[-f fmt] [--start-offset=offset] [--max-length=len] [--output=human|json] [--progress=json] [-U] [--image-opts] [--untrusted] filename',
  summary: 'shows which ranges hold data, and where they lie',
  details: `  -f, --format=FMT         format of the image
  -s, --start-offset=SIZE  where to begin
  -l, --max-length=SIZE    how far to go
  --output=STYLE           human (default): data that lies in a file as it is; json: every range
  --progress=json          prints how far it is to standard error, in lines for programs
  -U, --force-share        looks at it even while another program writes to it
  --image-opts             filename is a list of options
  --untrusted              follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('f:format= s:start-offset= l:max-length= :output= U:force-share :progress=')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const start = sizeOf('start-offset', 'start offset');
    const length = sizeOf('max-length', 'max length');
    const filename = oneFile(options);
    const style = outputStyle(options);
    const format = options.get('format');
    if (options.has('image-opts') && format !== undefined) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const printer = new ProgressPrinter(errorIo(tool.io), progressStyle(options));
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const node = await openSource(graph, sourceOf(filename, options.has('image-opts')), {
      readOnly: true,
      ...(format === undefined ? {} : { format }),
      ...(options.has('force-share') ? { forceShare: true } : {}),
    });
    try {
      const end = Math.min(node.size, (start.start ?? 0) + (length.length ?? node.size));
      const print = style === 'json' ? jsonLine : humanLine;
      let text = style === 'json' ? '[' : `${columns('Offset', 'Length', 'Mapped to')}File\n`;
      let count = 0;
      for await (const entry of mapImage(node, { ...start, ...length, signal: tool.io.signal })) {
        text += print(entry, count++);
        printer.report(entry.start + entry.length - (start.start ?? 0), end - (start.start ?? 0));
        if (count % BATCH === 0) {
          tool.io.out(text);
          text = '';
        }
      }
      tool.io.out(style === 'json' ? `${text}]\n` : text);
      return 0;

      function humanLine(entry: MapEntry): string {
        if (!entry.data || entry.zero) return '';
        if (entry.offset === undefined) {
          tool.io.out(text);
          throw new ExitError(1, 'File contains external, encrypted or compressed clusters.');
        }
        return `${columns(hex(entry.start), hex(entry.length), hex(entry.offset))}${entry.filename ?? ''}\n`;
      }
    } finally {
      printer.end();
      await graph.release(node);
    }

    function sizeOf(key: 'start-offset' | 'max-length', what: string): { start?: number; length?: number } {
      const value = options.get(key);
      if (value === undefined) return {};
      const size = sizeArgument(tool, what, value);
      return key === 'start-offset' ? { start: size } : { length: size };
    }
  },
};

function columns(...words: readonly string[]): string {
  return words.map((word) => word.padEnd(16)).join('');
}

function jsonLine(entry: MapEntry, index: number): string {
  const { start, length, depth, present, zero, data, offset } = entry;
  const place = offset === undefined ? '' : `, "offset": ${offset}`;
  return escapeBeyondAscii(
    `${index === 0 ? '' : ',\n'}{ "start": ${start}, "length": ${length}, "depth": ${depth}, "present": ${present}, "zero": ${zero}, "data": ${data}${place}}`,
  );
}
