/** What JavaScript lets through at the embedder's face, and types would not: named before a driver meets it. */
import type { SecretLookup } from './driver-context.js';
import { BlockError } from './errors.js';

/** Throws kind `invalid-argument` unless `value` is a `Uint8Array` (a `Buffer` is one), of whatever realm. */
export function checkBytes(value: unknown): asserts value is Uint8Array {
  if (value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]') return;
  throw new BlockError('invalid-argument', `Bytes have to be a Uint8Array, found ${nameOf(value)}`);
}

/** Throws kind `invalid-argument` unless both are numbers. Whether they are in the image is for the request to say. */
export function checkPlace(offset: unknown, length: unknown): void {
  checkNumber('Offset', offset);
  checkNumber('Length', length);
}

/** Throws kind `invalid-argument` unless there is a list of drivers, and a policy or none. */
export function checkGraphOptions(options: unknown): void {
  checkObject('What a graph is made with', options, '{ drivers: [file, qcow2] }');
  const { drivers, policy, secrets, credentials } = options;
  checkPolicy(policy);
  for (const [name, lookup] of Object.entries({ secrets, credentials })) {
    if (lookup === undefined || typeof lookup === 'function') continue;
    throw new BlockError('invalid-argument', `'${name}' has to be a function that is given an id, found ${nameOf(lookup)}`);
  }
  if (!Array.isArray(drivers)) throw new BlockError('invalid-argument', `'drivers' has to be a list, such as [file, qcow2], found ${nameOf(drivers)}`);
  for (const [index, driver] of (drivers as readonly unknown[]).entries()) {
    if (typeof driver === 'object' && driver !== null && 'name' in driver && typeof driver.name === 'string') continue;
    throw new BlockError('invalid-argument', `Entry ${index} of 'drivers' has to be a driver, found ${nameOf(driver)}`);
  }
}

/** The same lookup, but kind `invalid-argument` where it gives no bytes; what it gave is in no message. */
export function checkedSecrets(lookup: SecretLookup): SecretLookup {
  return async (id) => {
    const found: unknown = await lookup(id);
    if (ArrayBuffer.isView(found) && Object.prototype.toString.call(found) === '[object Uint8Array]') return found as Uint8Array;
    throw new BlockError('invalid-argument', `Secret '${id}' has to be a Uint8Array, found ${typeof found}`);
  };
}

/** Throws kind `invalid-argument` unless it is what an image can be opened by. */
export function checkSource(source: unknown): void {
  if (typeof source === 'string' || isPlain(source)) return;
  throw new BlockError('invalid-argument', `An image is opened by its file name or its definition, such as { driver: 'file', filename: 'disk.img' }, found ${nameOf(source)}`);
}

/** The options of `openImage`, by their names in `OpenImageOptions`. */
const FACE_OPTIONS: ReadonlySet<string> = new Set([
  'drivers', 'writable', 'format', 'cache', 'discard', 'detectZeroes', 'copyOnRead', 'noBacking', 'forceShare', 'noIo', 'checking', 'aio', 'nodeName',
  'policy', 'signal', 'pool', 'host', 'secrets', 'credentials',
]);

/** Throws kind `invalid-argument` where a name is none of `openImage`'s options: one that is only almost right would do nothing, unnoticed. */
export function checkFaceOptions(options: unknown): void {
  checkObject('What an image is opened with', options, '{ drivers: [file, qcow2] }');
  for (const name of Object.keys(options)) {
    if (FACE_OPTIONS.has(name)) continue;
    throw new BlockError('invalid-argument', `There is no option '${name}' to open an image with; there are ${[...FACE_OPTIONS].join(', ')}`);
  }
}

/** Throws kind `invalid-argument` where an option has another type than `OpenOptions` says, and would count as not given. */
export function checkOpenOptions(options: unknown): void {
  checkObject('What an image is opened with', options, '{ readOnly: true }');
  const { format, cache, policy, signal } = options;
  if (format !== undefined && typeof format !== 'string') {
    throw new BlockError('invalid-argument', `'format' has to be the name of a format, found ${nameOf(format)}`);
  }
  if (cache !== undefined) checkObject("'cache'", cache);
  checkPolicy(policy);
  checkSignal(signal);
}

/** Throws kind `invalid-argument` unless nothing is given, or a policy with all that it has to decide: what it lacks would be allowed. */
function checkPolicy(policy: unknown): void {
  if (policy === undefined) return;
  checkObject("'policy'", policy);
  for (const [name, type] of Object.entries(POLICY)) {
    const value = policy[name];
    if (typeof value === type && !Number.isNaN(value)) continue;
    throw new BlockError('invalid-argument', `'${name}' of 'policy' has to be a ${type}, found ${nameOf(value)}; UNTRUSTED and TRUSTED have all that a policy needs`);
  }
}

const POLICY = { allowReference: 'function', allowProbing: 'boolean', maxChainDepth: 'number', maxMetadataBytes: 'number' } as const;

/** Throws kind `invalid-argument` unless nothing is given, or what tells of an abort. */
function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  if (typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal) return;
  throw new BlockError('invalid-argument', `'signal' has to be an AbortSignal, found ${nameOf(signal)}`);
}

/** Throws kind `invalid-argument` unless they are a file name, and what is to be created, as far as anything can be told without the format. */
export function checkCreation(filename: unknown, request: unknown): void {
  if (typeof filename !== 'string') throw new BlockError('invalid-argument', `A file name has to be a string, found ${nameOf(filename)}`);
  checkObject('What is to be created', request, "{ format: 'qcow2', size: 1048576 }");
  if (request.options !== undefined) checkObject("'options'", request.options, '{ cluster_size: 65536 }');
  checkSignal(request.signal);
}

function checkObject(what: string, value: unknown, example?: string): asserts value is Record<string, unknown> {
  if (isPlain(value)) return;
  throw new BlockError('invalid-argument', `${what} has to be an object${example === undefined ? '' : `, such as ${example}`}, found ${nameOf(value)}`);
}

/** An object that is no string, list, Blob, URL and so on; of whatever realm. */
function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]';
}

function checkNumber(what: string, value: unknown): void {
  if (typeof value !== 'number') throw new BlockError('invalid-argument', `${what} has to be a number of bytes, found ${nameOf(value)}`);
}

/** The value itself where it is short, else what it is. */
function nameOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'string') return value.length > 40 ? 'a string' : `the string '${value}'`;
  if (typeof value === 'bigint') return `the bigint ${value}n`;
  if (typeof value === 'object') return Object.prototype.toString.call(value).slice(8, -1);
  return typeof value;
}
