/** `streamImage`: the content of images as a new image that is read front to back, with its length known beforehand. */
import { BlockError, chainExtentAt, isPromise, type BlockGraph, type BlockNode, type DataRange, type OpenOptions } from '@blk/core-graph';
import { Sources } from './convert/sources.js';
import { errnoText } from './failure.js';
import { openSource, type AnySource } from './open.js';
import type { Progress } from './pause.js';

export interface StreamRequest {
  /** Several are put one behind the other. */
  readonly sources: readonly AnySource[];
  readonly sourceFormat?: string;
  readonly sourceCache?: OpenOptions['cache'];
  readonly forceShare?: boolean;
  /** Raw unless given. */
  readonly format?: string;
  /** The format's options of creation. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface StreamedImage {
  /** Bytes of the image's file. */
  readonly length: number;
  /** The file; each chunk belongs to the reader. The sources are open until it was read to its end or cancelled. */
  readonly stream: ReadableStream<Uint8Array>;
}

/** Throws kind `unsupported` where the format cannot be written front to back. */
export async function streamImage(graph: BlockGraph, request: StreamRequest): Promise<StreamedImage> {
  const { format = 'raw', signal, progress } = request;
  const driver = graph.drivers.get(format);
  if (driver === undefined) throw new BlockError('invalid-argument', `Unknown file format '${format}'`);
  if (driver.stream === undefined) throw new BlockError('unsupported', `Images of format '${format}' cannot be written as a stream`);
  const nodes: BlockNode[] = [];
  const release = async (): Promise<void> => {
    for (const node of nodes.splice(0)) await graph.release(node);
  };
  try {
    for (const source of request.sources) {
      nodes.push(await openSource(graph, source, {
        readOnly: true,
        ...(request.sourceFormat === undefined ? {} : { format: request.sourceFormat }),
        ...(request.sourceCache === undefined ? {} : { cache: request.sourceCache }),
        ...(request.forceShare === undefined ? {} : { forceShare: request.forceShare }),
        ...(signal === undefined ? {} : { signal }),
      }));
    }
    const sources = new Sources(nodes);
    const image = await driver.stream(
      { ...request.options, size: sources.size },
      { data: dataOf(sources, signal), read: (offset, buffer, start, count) => readAt(sources, offset, buffer, start, count) },
    );
    const { length } = image;
    const iterator = image.chunks()[Symbol.asyncIterator]();
    let done = 0;
    progress?.(0, length);
    const stream = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            signal?.throwIfAborted();
            const next = await iterator.next();
            if (next.done === true) {
              await release();
              controller.close();
              return;
            }
            done += next.value.length;
            progress?.(done, length);
            // The format goes on using its buffer.
            controller.enqueue(next.value.slice());
          } catch (error) {
            await release();
            throw error;
          }
        },
        async cancel() {
          await release();
        },
      },
      { highWaterMark: 1 },
    );
    return { length, stream };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Reads with zeroes behind the end. */
async function readAt(sources: Sources, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const inside = Math.max(0, Math.min(length, sources.size - offset));
  try {
    const read = inside === 0 ? undefined : sources.read(offset, buffer, start, inside);
    if (read !== undefined) await read;
  } catch (error) {
    throw errnoText(error, `error while reading at byte ${offset}`);
  }
  buffer.fill(0, start + inside, start + length);
}

async function* dataOf(sources: Sources, signal: AbortSignal | undefined): AsyncGenerator<DataRange, void, undefined> {
  for (let offset = 0; offset < sources.size; ) {
    signal?.throwIfAborted();
    const { node, inside, left } = sources.at(offset);
    const known = node.size - inside;
    if (known <= 0) {
      offset += left;
      continue;
    }
    const found = chainExtentAt(node, inside, Math.min(left, known));
    const extent = isPromise(found) ? await found : found;
    if (!extent.zero) yield { offset, length: extent.length };
    offset += extent.length;
  }
}
