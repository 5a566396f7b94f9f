/** `measureImage`: how large the file of a new image would be, for a size or for the content of an image. */
import { BlockError, chainExtents, type BlockDriver, type BlockGraph, type BlockNode, type DataRange } from '@blk/core-graph';
import { wholeSectors } from './open.js';
import type { Progress } from './pause.js';

export interface MeasureRequest {
  /** Format of the new image; raw unless given. */
  readonly format?: string;
  /** Its options of creation. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Bytes, for an empty disk; or the image whose content it gets, which the caller has open. */
  readonly of: number | BlockNode;
  /** How far the look through the image is; bytes of its disk. */
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** The schema's `BlockMeasureInfo`; bytes. */
export interface Measured {
  readonly required: number;
  readonly fullyAllocated: number;
  /** For the source's persistent bitmaps, besides; absent where source or target cannot have any. */
  readonly bitmaps?: number;
}

/** Throws kind `unsupported` where the format does not tell. */
export async function measureImage(graph: BlockGraph, request: MeasureRequest): Promise<Measured> {
  const driver = measurable(graph, request.format ?? 'raw');
  const { of } = request;
  const size = typeof of === 'number' ? of : wholeSectors(of.size);
  const options = { ...request.options, size };
  const found = await driver.measure?.(options, typeof of === 'number' ? undefined : dataOf(of, request), graph.secret);
  if (found === undefined) throw unmeasurable(driver);
  const { required, fullyAllocated, bitmapClusterSize } = found;
  const bitmaps = bitmapClusterSize === undefined || typeof of === 'number' ? undefined : await bitmapBytes(of, bitmapClusterSize);
  return { required, fullyAllocated, ...(bitmaps === undefined ? {} : { bitmaps }) };
}

/** The driver of a format that can be measured. Throws the reference's words for one that cannot. */
export function measurable(graph: BlockGraph, format: string): BlockDriver {
  const driver = graph.drivers.get(format);
  if (driver === undefined) throw new BlockError('invalid-argument', `Unknown file format '${format}'`);
  if (driver.create === undefined && driver.createFile === undefined) {
    throw new BlockError('unsupported', `Format driver '${format}' does not support image creation`);
  }
  if (driver.measure === undefined) throw unmeasurable(driver);
  return driver;
}

function unmeasurable(driver: BlockDriver): BlockError {
  return new BlockError('unsupported', `Block driver '${driver.name}' does not support size measurement`, { driver: driver.name });
}

async function* dataOf(node: BlockNode, { signal, progress }: MeasureRequest): AsyncGenerator<DataRange, void, undefined> {
  for await (const { offset, length, data, zero } of chainExtents(node, 0, node.size)) {
    signal?.throwIfAborted();
    progress?.(offset + length, node.size);
    if (data && !zero) yield { offset, length };
  }
}

interface ListedBitmap {
  readonly name: string;
  readonly granularity: number;
}

/** Bytes of a directory entry before the name. */
const ENTRY_BYTES = 24;

/** What the bitmaps that the source keeps would take: bits and table of each, and the directory. Undefined: it has no place for any. */
async function bitmapBytes(source: BlockNode, clusterSize: number): Promise<number | undefined> {
  const specific = (await source.driver.info?.())?.specific;
  if (specific?.type !== 'qcow2' || specific.data['compat'] === '0.10') return undefined;
  const bitmaps = (specific.data['bitmaps'] ?? []) as readonly ListedBitmap[];
  let clusters = 0;
  let directory = 0;
  for (const { name, granularity } of bitmaps) {
    const bits = Math.ceil(source.size / granularity);
    const data = Math.ceil(Math.ceil(bits / 8) / clusterSize);
    clusters += data + Math.ceil((data * 8) / clusterSize);
    directory += Math.ceil((ENTRY_BYTES + new TextEncoder().encode(name).length) / 8) * 8;
  }
  return (clusters + Math.ceil(directory / clusterSize)) * clusterSize;
}
