/** `checkImage`: whether an image fits together, in the numbers of the schema's `ImageCheck`, and its repair. */
import {
  Backend, BlockError, Permission, type BlockGraph, type BlockNode, type CheckResult, type OpenOptions, type Repair,
} from '@blk/core-graph';
import { nameOf, openSource, type AnySource } from './open.js';
import { Pace, type Progress } from './pause.js';

export interface CheckRequest {
  readonly format?: string;
  /** What may be changed; the image is opened read-only unless something may. */
  readonly repair?: Repair;
  readonly cache?: OpenOptions['cache'];
  /** Looks at it even while another program writes to it. */
  readonly forceShare?: boolean;
  readonly signal?: AbortSignal;
  /** Told of every defect and every repair, a line each. */
  readonly finding?: (text: string) => void;
  readonly progress?: Progress;
  /** Told what was repaired, before the image is checked a second time. */
  readonly repaired?: (leaks: number, corruptions: number) => void;
}

/** The schema's `ImageCheck`. */
export interface ImageCheck {
  filename: string;
  format: string;
  'check-errors': number;
  'image-end-offset'?: number;
  corruptions?: number;
  leaks?: number;
  'corruptions-fixed'?: number;
  'leaks-fixed'?: number;
  'total-clusters'?: number;
  'allocated-clusters'?: number;
  'fragmented-clusters'?: number;
  'compressed-clusters'?: number;
}

/** Reason of the error where the format has no checks. */
export const NO_CHECKS = 'check/unsupported';

/**
 * Checks an image. Where something was repaired it is checked again, and that result is given back, with the repairs in it. Throws
 * where the image can't be opened, where its format has no checks (reason `NO_CHECKS`), and where the check did not come to an end.
 */
export async function checkImage(graph: BlockGraph, source: AnySource, request: CheckRequest = {}): Promise<ImageCheck> {
  const repair = request.repair ?? 'none';
  const node = await openSource(graph, source, {
    readOnly: repair === 'none',
    checking: true,
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(request.cache === undefined ? {} : { cache: request.cache }),
    ...(request.forceShare === true ? { forceShare: true } : {}),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  try {
    const backend = repair === 'none' ? undefined : Backend.over(graph, node, { writable: true, resizable: true, shared: Permission.ConsistentRead });
    try {
      return describe(nameOf(source), node, await checkTwice(node, repair, request));
    } finally {
      await backend?.close();
    }
  } finally {
    await graph.release(node);
  }
}

async function checkTwice(node: BlockNode, repair: Repair, request: CheckRequest): Promise<CheckResult> {
  const first = await checkNode(node, repair, request);
  const { leaksFixed, corruptionsFixed } = first;
  if (leaksFixed === 0 && corruptionsFixed === 0) return first;
  request.repaired?.(leaksFixed, corruptionsFixed);
  return { ...(await checkNode(node, 'none', request)), leaksFixed, corruptionsFixed };
}

async function checkNode(node: BlockNode, repair: Repair, { finding, progress, signal }: CheckRequest): Promise<CheckResult> {
  if (node.driver.check === undefined) {
    throw new BlockError('unsupported', 'This image format does not support checks', { driver: node.driverName, reason: NO_CHECKS });
  }
  const pace = new Pace(signal);
  return node.driver.check({
    repair,
    pause: () => (pace.due() ? pace.pause() : undefined),
    ...(finding === undefined ? {} : { finding }),
    ...(progress === undefined ? {} : { progress }),
  });
}

function describe(filename: string, node: BlockNode, result: CheckResult): ImageCheck {
  const check: ImageCheck = { filename, format: node.driverName, 'check-errors': result.checkErrors };
  const some = (name: Exclude<keyof ImageCheck, 'filename' | 'format' | 'check-errors'>, value: number): void => {
    if (value !== 0) check[name] = value;
  };
  some('image-end-offset', result.imageEndOffset);
  some('corruptions', result.corruptions);
  some('leaks', result.leaks);
  some('corruptions-fixed', result.corruptionsFixed);
  some('leaks-fixed', result.leaksFixed);
  some('total-clusters', result.totalClusters);
  some('allocated-clusters', result.allocatedClusters);
  some('fragmented-clusters', result.fragmentedClusters);
  some('compressed-clusters', result.compressedClusters);
  return check;
}
