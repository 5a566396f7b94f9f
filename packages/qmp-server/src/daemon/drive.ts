/** QEMU's `-drive`: a device by file name, with its options in one word. */
import { protocolDefinition, unflatten, type Backend, type BlockGraph, type Definition } from '@blk/core-graph';
import type { BlockdevOnError } from '@blk/qapi-types';
import { parseJson, type JsonValue } from '@blk/qapi-types/json';
import { emptyDevice, openDevice } from '../blockdev.js';
import { genericError } from '../errors.js';
import { takeLimits } from './drive-limits.js';
import { parseSimpleOptions, take, takeFlag, type SimpleOptions } from './simple-options.js';

/** What the words of `cache=` mean. */
const CACHE: Readonly<Record<string, { readonly writeback: boolean; readonly direct: boolean; readonly 'no-flush': boolean }>> = {
  none: { writeback: true, direct: true, 'no-flush': false },
  off: { writeback: true, direct: true, 'no-flush': false },
  writeback: { writeback: true, direct: false, 'no-flush': false },
  writethrough: { writeback: false, direct: false, 'no-flush': false },
  directsync: { writeback: false, direct: true, 'no-flush': false },
  unsafe: { writeback: true, direct: false, 'no-flush': true },
};

/** Options that place a device into a machine: there is none. */
const OF_MACHINES = ['bus', 'unit', 'index', 'addr', 'serial', 'cyls', 'heads', 'secs', 'trans', 'boot'];

const ON_ERROR = ['report', 'ignore', 'enospc', 'stop'];

/** Opens a drive; without a file it is a device without a medium. `number` counts them, for those without an id. */
export async function addDrive(graph: BlockGraph, text: string, number: number): Promise<Backend> {
  const options = parseSimpleOptions(text, 'file');
  const type = take(options, 'if') ?? 'none';
  if (type !== 'none') throw genericError(`if=${type} needs a machine; use if=none`);
  for (const name of OF_MACHINES) if (options.has(name)) throw genericError(`Parameter '${name}' needs a machine`);
  if (takeFlag(options, 'snapshot', false)) throw genericError('snapshot=on is not supported');
  const media = take(options, 'media') ?? 'disk';
  if (media !== 'disk' && media !== 'cdrom') throw genericError(`'${media}' invalid media`);
  const device = {
    id: take(options, 'id') ?? `none${number}`,
    rerror: takeOnError(options, 'rerror', 'read'),
    werror: takeOnError(options, 'werror', 'write'),
  };
  const readOnly = takeFlag(options, 'readonly', takeFlag(options, 'read-only', media === 'cdrom'));
  const { writeback, ...cache } = takeCache(options);
  const { limits, group } = takeLimits(options);
  const definition = await takeDefinition(graph, options, { 'read-only': readOnly, cache });
  const how = { ...device, writeThrough: !writeback, passwordLater: true };
  const backend = definition === undefined ? emptyDevice(graph, how) : await openDevice(graph, definition, how);
  backend.setThrottle(limits, group);
  return backend;
}

async function takeDefinition(graph: BlockGraph, options: SimpleOptions, common: Definition): Promise<Definition | undefined> {
  const format = take(options, 'format') ?? take(options, 'driver');
  const copyOnRead = takeFlag(options, 'copy-on-read', false);
  const detectZeroes = take(options, 'detect-zeroes');
  const filename = take(options, 'file') ?? '';
  const aio = take(options, 'aio');
  if (aio !== undefined && !['threads', 'native', 'io_uring'].includes(aio)) throw genericError('invalid aio option');
  const rest = unflatten(Object.fromEntries(options));
  const definition: Definition = {
    ...common,
    ...rest,
    ...(copyOnRead ? { 'copy-on-read': true } : {}),
    ...(detectZeroes === undefined ? {} : { 'detect-zeroes': detectZeroes }),
    ...(aio === undefined ? {} : { aio }),
  };
  if (filename === '') {
    // A drive without a disc.
    if (rest.file === undefined && format === undefined) return undefined;
    return { ...definition, ...(format === undefined ? {} : { driver: format }) };
  }
  if (format === undefined) return { ...definition, filename };
  const named = { ...definition, driver: format };
  const protocol = filename.startsWith('json:') ? fromJson(filename) : await protocolDefinition(graph, filename);
  return graph.driver(format).role === 'protocol' ? { ...named, ...protocol } : { ...named, file: { ...protocol, ...asObject(rest.file) } };
}

function takeCache(options: SimpleOptions): { writeback: boolean; direct: boolean; 'no-flush': boolean } {
  const word = take(options, 'cache') ?? 'writeback';
  const mode = Object.hasOwn(CACHE, word) ? CACHE[word] : undefined;
  if (mode === undefined) throw genericError('invalid cache option');
  return {
    writeback: takeFlag(options, 'cache.writeback', mode.writeback),
    direct: takeFlag(options, 'cache.direct', mode.direct),
    'no-flush': takeFlag(options, 'cache.no-flush', mode['no-flush']),
  };
}

function takeOnError(options: SimpleOptions, name: string, what: string): BlockdevOnError | undefined {
  const value = take(options, name);
  if (value === undefined) return undefined;
  if (!ON_ERROR.includes(value)) throw genericError(`'${value}' invalid ${what} error action`);
  return value as BlockdevOnError;
}

function fromJson(filename: string): Definition {
  const value: JsonValue = parseJson(filename.slice('json:'.length));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw genericError('Invalid JSON object given');
  return value;
}

function asObject(value: unknown): Definition {
  return typeof value === 'object' && value !== null ? (value as Definition) : {};
}
