/** `ddImage`: a part of an image's content, counted in blocks, as a new image. */
import { Backend, Permission, type BlockGraph } from '@blk/core-graph';
import { copy } from './convert/copy.js';
import type { Segment } from './convert/plan.js';
import { couldNotOpen, definitionOf, nameOf, openSource, wholeSectors, type AnySource } from './open.js';
import { ddRange } from './dd-range.js';
import type { Progress } from './pause.js';

export interface DdRequest {
  readonly source: AnySource;
  readonly sourceFormat?: string;
  readonly forceShare?: boolean;
  /** File name of the new image. */
  readonly target: AnySource;
  /** Raw unless given. */
  readonly format?: string;
  /** Bytes of a block. */
  readonly blockSize: number;
  /** Most blocks of the input, from its start, that are looked at; `skip` of them come out of these. */
  readonly count?: number;
  /** Blocks to leave out at the start. */
  readonly skip?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
  /** Makes the target of so many bytes; its errors are the caller's to word. */
  readonly create: (size: number) => Promise<void>;
}

const PIECE = 1024 * 1024;

/** Copies; false where the input ends before the part begins: the new image is empty then. Everything is written, zeroes too. */
export async function ddImage(graph: BlockGraph, request: DdRequest): Promise<boolean> {
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  const source = await openSource(graph, request.source, {
    readOnly: true,
    ...(request.sourceFormat === undefined ? {} : { format: request.sourceFormat }),
    ...(request.forceShare === undefined ? {} : { forceShare: request.forceShare }),
    ...signal,
  });
  try {
    const { start, length, beyond } = ddRange(wholeSectors(source.size), request);
    await request.create(length);
    const definition = definitionOf(request.target);
    const node = await couldNotOpen(nameOf(request.target), () =>
      graph.open(definition, { ...(typeof definition === 'string' ? { format: request.format ?? 'raw' } : {}), ...signal }),
    );
    try {
      const target = Backend.over(graph, node, { description: 'dd target', writable: true, shared: Permission.All & ~Permission.Resize });
      try {
        let segment: Segment | undefined = length === 0 ? undefined : { action: 'data', offset: 0, length };
        await copy({
          sources: { read: (offset, buffer, from, bytes) => source.read(start + offset, buffer, from, bytes) },
          plan: {
            next: () => {
              const next = segment;
              segment = undefined;
              return Promise.resolve(next);
            },
          },
          target,
          pool: graph.pool,
          piece: PIECE,
          granularity: 0,
          zeroed: false,
          compress: false,
          together: false,
          lanes: 8,
          inOrder: true,
          rateLimit: 0,
          total: length,
          words: { reading: 'error while reading from input image file', writing: 'error while writing to output image file' },
          progress: request.progress,
          signal: request.signal,
        });
        const flushed = target.flush();
        if (flushed !== undefined) await flushed;
      } finally {
        await target.detach();
      }
    } finally {
      await graph.release(node);
    }
    return !beyond;
  } finally {
    await graph.release(source);
  }
}
