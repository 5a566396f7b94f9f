/** `convert … -`: the new image goes to standard output, front to back. */
import { streamImage, type StreamRequest } from '@blk/image';
import type { BlockGraph } from '@blk/core-graph';
import { errorIo, ProgressPrinter, type ProgressStyle } from '../progress.js';
import { ExitError, type Tool } from '../tool.js';
import type { Options } from './command.js';

/** Options that say how a target is written, where there is none to write to. */
const NOT_WITH: readonly string[] = ['B', 'F', 'c', 'n', 'S', 't', 'W', 'r', 'target-image-opts', 'target-is-zero', 'salvage', 'l', 'bitmaps'];

/** Whether the target is standard output. Under the name of the reference tool `-` is a file like any other. */
export function isStream(tool: Tool, target: string): boolean {
  return target === '-' && !tool.alias;
}

/** Writes the image; how far it is goes to standard error. */
export async function convertToStream(
  tool: Tool,
  graph: BlockGraph,
  options: Options,
  style: ProgressStyle,
  request: Omit<StreamRequest, 'progress' | 'signal'>,
): Promise<number> {
  const refused = NOT_WITH.find((key) => options.has(key));
  if (refused !== undefined) {
    throw new ExitError(1, `${refused.length === 1 ? '-' : '--'}${refused} cannot be used when the image is written to standard output`);
  }
  if (tool.io.outBytes === undefined) throw new ExitError(1, 'standard output takes no images here');
  const printer = new ProgressPrinter(errorIo(tool.io), style);
  const progress = printer.callback;
  try {
    const { stream } = await streamImage(graph, { ...request, ...(progress ? { progress } : {}), signal: tool.io.signal });
    for await (const chunk of stream) await tool.io.outBytes(chunk);
    printer.complete();
    return 0;
  } finally {
    printer.end();
  }
}
