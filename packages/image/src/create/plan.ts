/** `planCreation`: what `create` checks before it makes anything, and the line that it prints about it. */
import {
  BlockError, guessFormat, messageOf, protocolDefinition, resolveReference, type BlockDriver, type BlockGraph, type CreateOptionTable,
} from '@blk/core-graph';
import type { Progress } from '../pause.js';
import { optionTable, parseCreateOptions, spelledSwitches } from './options.js';

export interface CreationRequest {
  readonly format: string;
  /** Bytes; may be left out where a backing file or `size=` among the options tells it. */
  readonly size?: number;
  /** Texts of `-o`. */
  readonly options?: readonly string[];
  readonly backing?: string;
  readonly backingFormat?: string;
  /** Do not look at the backing file. */
  readonly unsafe?: boolean;
  readonly signal?: AbortSignal;
  /** How far preallocation is; bytes. */
  readonly progress?: Progress;
}

export interface CreationPlan {
  readonly size: number;
  /** As the options were given and by default, in the order in which they are shown. */
  readonly options: ReadonlyMap<string, string | number | boolean>;
  /** `Formatting 'x', fmt=qcow2 size=…`. */
  readonly line: string;
  /** Makes the image. */
  run(): Promise<void>;
}

/** The order in which the reference tools show options. */
const SHOWN = [
  'encryption', 'encrypt.format', 'encrypt.key-secret', 'encrypt.cipher-alg', 'encrypt.cipher-mode', 'encrypt.ivgen-alg',
  'encrypt.ivgen-hash-alg', 'encrypt.hash-alg', 'encrypt.iter-time', 'cluster_size', 'extended_l2', 'preallocation',
  'compression_type', 'size', 'log_size', 'block_size', 'subformat', 'compat', 'backing_file', 'backing_fmt', 'data_file', 'data_file_raw', 'lazy_refcounts', 'refcount_bits',
];
/** Formats whose options come in an order of their own, and all others. */
const EARLIEST = ['qcow2'];
const SHOWN_OTHERS = [
  'size', 'backing_file', 'backing_fmt', 'encrypt.format', 'encrypt.key-secret', 'encryption', 'adapter_type', 'compat6', 'hwversion', 'toolsversion', 'log_size', 'block_size', 'subformat',
  'key-secret', 'cipher-alg', 'cipher-mode', 'ivgen-alg', 'ivgen-hash-alg', 'hash-alg', 'iter-time', 'static',
];
const SHOWN_RAW = ['size', 'nocow', 'preallocation', 'extent_size_hint'];

/** Checks a creation. Throws, with nothing made, where it can't be; every message begins with the file's name. */
export async function planCreation(graph: BlockGraph, filename: string, request: CreationRequest): Promise<CreationPlan> {
  return named(filename, async () => {
    const format = graph.drivers.get(request.format);
    if (format === undefined) throw new BlockError('invalid-argument', `Unknown file format '${request.format}'`);
    const protocol = graph.driver(String((await protocolDefinition(graph, filename)).driver));
    if (format.create === undefined && format.createFile === undefined) {
      throw new BlockError('unsupported', `Format driver '${format.name}' does not support image creation`);
    }
    const table = optionTable(format, protocol);
    const given = parseCreateOptions(request.options ?? [], table);
    if (given['size'] !== undefined && request.size !== undefined) {
      throw new BlockError('invalid-argument', 'The image size must be specified only once');
    }
    const spelled = spelledSwitches(request.options ?? [], table);
    takeBacking(given, format, request);
    const backingSize = await lookAtBacking(graph, filename, given, request.unsafe === true);
    const size = request.size ?? given['size'] ?? backingSize;
    if (typeof size !== 'number') throw new BlockError('invalid-argument', 'Image creation needs a size parameter');
    const options = inOrder({ ...defaults(table), ...given, size }, format);
    return {
      size,
      options,
      line: `Formatting '${filename}', fmt=${format.name}${[...options].map(([name, value]) => ` ${name}=${spelled.get(name) ?? shown(value)}`).join('')}`,
      run: () => named(filename, () => make(graph, filename, format, options, size, request)),
    };
  });
}

async function named<T>(filename: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `${filename}: ${messageOf(error)}`, error.context, error);
  }
}

function takeBacking(given: Record<string, string | number | boolean>, format: BlockDriver, request: CreationRequest): void {
  const { backing, backingFormat } = request;
  if (backing !== undefined) {
    if (format.createOptions?.backing_file === undefined) throw new BlockError('unsupported', `Backing file not supported for file format '${format.name}'`);
    given['backing_file'] = backing;
  }
  if (backingFormat !== undefined) {
    if (format.createOptions?.backing_fmt === undefined) throw new BlockError('unsupported', `Backing file format not supported for file format '${format.name}'`);
    given['backing_fmt'] = backingFormat;
  }
  if (given['backing_file'] === '') throw new BlockError('invalid-argument', 'Expected backing file name, got empty string');
}

/** Size of the backing file; undefined where there is none, or it is not to be looked at. */
async function lookAtBacking(
  graph: BlockGraph,
  filename: string,
  given: Record<string, unknown>,
  unsafe: boolean,
): Promise<number | undefined> {
  const { backing_file: backing, backing_fmt: format } = given;
  if (typeof backing !== 'string') return undefined;
  if (backing === filename) {
    throw new BlockError('invalid-argument', 'Error: Trying to create an image with the same filename as the backing file');
  }
  if (unsafe) {
    if (typeof format !== 'string') throw new BlockError('invalid-argument', 'Backing file specified without backing format');
    return undefined;
  }
  try {
    const node = await graph.open(resolveReference(filename, backing), {
      readOnly: true,
      // A guest may be writing to it: new overlays are made while it runs.
      noIo: true,
      ...(typeof format === 'string' ? { format } : {}),
    });
    try {
      if (typeof format === 'string') return node.size;
      const detected = node.storage === undefined ? node.driverName : (await guessFormat(graph, node.storage.node)).name;
      throw new NoFormat(detected);
    } finally {
      await graph.release(node);
    }
  } catch (error) {
    if (error instanceof NoFormat) {
      throw new BlockError('invalid-argument', `Backing file specified without backing format\nDetected format of ${error.format}.`);
    }
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `${messageOf(error)}\nCould not open backing image.`, error.context, error);
  }
}

class NoFormat extends Error {
  constructor(readonly format: string) {
    super('no format');
  }
}

function defaults(table: CreateOptionTable): Record<string, string | number | boolean> {
  const values: Record<string, string | number | boolean> = {};
  for (const [name, spec] of Object.entries(table)) {
    const value = spec.default ?? spec.implied;
    if (value !== undefined) values[name] = value;
  }
  return values;
}

function inOrder(values: Record<string, string | number | boolean>, format: BlockDriver): Map<string, string | number | boolean> {
  const others = format.name === 'raw' || format.role === 'protocol' ? SHOWN_RAW : SHOWN_OTHERS;
  const first = EARLIEST.includes(format.name) ? SHOWN : others;
  const order = [...first, ...SHOWN_RAW, ...Object.keys(values)];
  return new Map([...new Set(order)].filter((name) => values[name] !== undefined).map((name) => [name, values[name]]));
}

function shown(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  // Numbers of 64 bits with a sign, as in the reference.
  if (Number.isInteger(value)) return String(BigInt.asIntN(64, BigInt(value)));
  return String(value).replaceAll(',', ',,');
}

async function make(
  graph: BlockGraph,
  filename: string,
  format: BlockDriver,
  options: ReadonlyMap<string, string | number | boolean>,
  size: number,
  request: CreationRequest,
): Promise<void> {
  const rest = Object.fromEntries([...options].filter(([name]) => name !== 'size'));
  checkPreallocation(format, rest['preallocation']);
  const { signal, progress } = request;
  progress?.(0, size);
  try {
    await graph.create(filename, {
      format: format.name,
      size: format.name === 'raw' ? Math.ceil(size / 512) * 512 : size,
      options: rest,
      unsafe: true,
      ...(signal ? { signal } : {}),
      ...(progress ? { progress } : {}),
    });
  } catch (error) {
    if (!(error instanceof BlockError) || error.kind !== 'too-large') throw error;
    // Another option than the size, which the error names.
    if (Object.values(rest).some((value) => typeof value === 'number' && !Number.isSafeInteger(value))) throw error;
    const hint = format.createOptions?.['cluster_size'] === undefined ? '' : ' (try using a larger cluster size)';
    throw new BlockError(error.kind, `The image size is too large for file format '${format.name}'${hint}`, error.context, error);
  }
  progress?.(size, size);
}

/** Files take fewer modes than formats, and say so in words of their own. */
function checkPreallocation(format: BlockDriver, mode: string | number | boolean | undefined): void {
  if ((format.name !== 'raw' && format.role !== 'protocol') || mode === undefined) return;
  if (mode === 'metadata') throw new BlockError('unsupported', 'Unsupported preallocation mode: metadata');
  if (!['off', 'falloc', 'full'].includes(String(mode))) throw new BlockError('invalid-argument', `invalid parameter value: ${String(mode)}`);
}
