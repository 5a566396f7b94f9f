/** `chain`: images and what they stand on, as a tree. */
import { chainTree, type ChainTree } from '@blk/image';
import { makeGraph } from '../graph.js';
import { sourceOf } from '../settings.js';
import { jsonText, shortSize } from '../text.js';
import { ExitError, UsageError } from '../tool.js';
import { COMMON, formatOption, Options, outputStyle, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const chain: ImgCommand = {
  name: 'chain',
  own: true,
  synopsis: '[--image-opts] [-f fmt] [--output=human|json] [-U] [--untrusted] filename…',
  summary: 'shows images and their backing files as a tree',
  details: `  -f, --format=FMT     format of the images named; that of their backing files comes from them
  --output=STYLE       human (default) or json
  -U, --force-share    looks at images even while another program writes to them
  --image-opts         the file names are lists of options
  --untrusted          follows no reference out of an image and guesses no format

An image stands below those that have it as backing file, once, however many they are. For each: format, size of the disk,
what of it the image itself decides, and what the image takes on the host.
Exit code: 1 where an image of a chain cannot be opened.
`,
  options: [...COMMON, ...specs('f:format= :output= U:force-share')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const style = outputStyle(options);
    if (options.operands.length === 0) throw new UsageError('Expecting image file names');
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const sources = options.operands.map((name) => sourceOf(name, options.has('image-opts')));
    const trees = await chainTree(graph, sources, {
      ...formatOption(options),
      ...(options.has('force-share') ? { forceShare: true } : {}),
      signal: tool.io.signal,
    });
    if (style === 'json') tool.io.out(jsonText(trees.map(asJson)));
    else tool.io.out(trees.map((tree) => lines(tree, '', '')).join(''));
    const broken = trees.map(firstError).find((error) => error !== undefined);
    if (broken !== undefined) throw new ExitError(1, broken);
    return 0;
  },
};

function asJson({ filename, format, virtualSize, actualSize, allocated, error, depth, overlays }: ChainTree): object {
  return {
    filename,
    ...(error === undefined
      ? { format, 'virtual-size': virtualSize, allocated, ...(actualSize === undefined ? {} : { 'actual-size': actualSize }) }
      : { error }),
    depth,
    overlays: overlays.map(asJson),
  };
}

/** A tree: its root first, `lead` before it and `indent` before what stands on it. */
function lines(tree: ChainTree, lead: string, indent: string): string {
  const { filename, format, virtualSize = 0, actualSize, allocated = 0, error, overlays } = tree;
  const about =
    error ??
    `${format}, ${shortSize(virtualSize)}, ${shortSize(allocated)} of it here, ${actualSize === undefined ? 'unknown' : shortSize(actualSize)} on disk`;
  const above = overlays.map((overlay, index) => {
    const last = index === overlays.length - 1;
    return lines(overlay, `${indent}${last ? '└─ ' : '├─ '}`, `${indent}${last ? '   ' : '│  '}`);
  });
  return `${lead}${filename} (${about})\n${above.join('')}`;
}

function firstError({ error, overlays }: ChainTree): string | undefined {
  return error ?? overlays.map(firstError).find((found) => found !== undefined);
}
