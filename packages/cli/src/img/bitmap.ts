/** `bitmap`: the persistent dirty bitmaps of an image. */
import { changeBitmap, type BitmapAction } from '@blk/image';
import { makeGraph } from '../graph.js';
import { sourceOf } from '../settings.js';
import { ExitError } from '../tool.js';
import { COMMON, Options, sizeArgument, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

const SIMPLE = ['add', 'remove', 'clear', 'enable', 'disable'] as const;

export const bitmap: ImgCommand = {
  name: 'bitmap',
  synopsis:
    '(--merge source | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] ' +
    '[-f fmt] [--image-opts] [--untrusted] filename bitmap',
  summary: 'changes a persistent dirty bitmap of an image',
  details: `  --add                makes the bitmap; writes to the image are recorded in it
  --remove             removes it; the only way for one that is out of date (in-use)
  --clear              forgets what was recorded
  --enable, --disable  begins, ends recording
  --merge SOURCE       adds what is recorded in the bitmap SOURCE
  -b, --source-file=FILE   the image that holds SOURCE; the same unless given
  -F, --source-format=FMT  its format
  -g, --granularity=SIZE   bytes for each bit of a new bitmap, a power of two from 512 to 2G; the cluster size (4k to 64k) unless given
  -f FMT               format of the image; recognised by its content unless given
  --image-opts         filename is a list of options: driver=qcow2,file.filename=x
  --untrusted          follows no reference out of the image and guesses no format

Actions are done in the order in which they stand.
`,
  options: [...COMMON, ...specs(':add :remove :clear :enable :disable :merge= b:source-file= F:source-format= g:granularity= f=')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const text = options.get('granularity');
    const granularity = text === undefined ? undefined : sizeArgument(tool, 'granularity', text);
    const actions = parsed.options.flatMap(({ name, value }): BitmapAction[] => {
      if (name === 'merge') return [{ do: 'merge', from: value ?? '' }];
      const simple = SIMPLE.find((known) => known === name);
      return simple === undefined ? [] : [{ do: simple }];
    });
    const refuse = (message: string): never => {
      throw new ExitError(1, message);
    };
    if (actions.length === 0) refuse('Need at least one of --add, --remove, --clear, --enable, --disable, or --merge');
    if (granularity !== undefined && !actions.some((action) => action.do === 'add')) refuse('granularity only supported with --add');
    const mergeFile = options.get('source-file');
    const mergeFormat = options.get('source-format');
    if (mergeFormat !== undefined && mergeFile === undefined) refuse('-F only supported with -b');
    if (mergeFile !== undefined && !actions.some((action) => action.do === 'merge')) {
      refuse('Merge bitmap source file only supported with --merge');
    }
    const [filename, name, ...more] = options.operands;
    if (filename === undefined || name === undefined || more.length > 0) throw new ExitError(1, 'Expecting filename and bitmap name');
    const format = options.get('f');
    const imageOpts = options.has('image-opts');
    if (imageOpts && format !== undefined) refuse('--image-opts and --format are mutually exclusive');
    await changeBitmap(makeGraph(tool, { untrusted: options.has('untrusted') }), sourceOf(filename, imageOpts), name, {
      actions,
      ...(granularity === undefined ? {} : { granularity }),
      ...(mergeFile === undefined ? {} : { mergeSource: mergeFile }),
      ...(mergeFormat === undefined ? {} : { mergeFormat }),
      ...(format === undefined ? {} : { format }),
      signal: tool.io.signal,
    });
    return 0;
  },
};
