/** Small drivers to test the graph with: a file in memory that can be held up and made to fail, and a copy-on-write format. */
import {
  BlockGraph,
  BlockError,
  dataExtent,
  defineDriver,
  isPromise,
  NO_LIMITS,
  unallocatedExtent,
  WriteFlag,
  zeroExtent,
  type BlockDriver,
  type Completion,
  type DriverNode,
  type Edge,
  type GraphOptions,
  type NodeLimits,
} from '../src/index.js';

/** One request that reached a file. */
export interface Seen {
  readonly verb: string;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
}

/** A file in memory. Hooks decide when and whether a request is done. */
export class MemFile {
  bytes: Uint8Array;
  readonly limits: NodeLimits;
  readonly seen: Seen[] = [];
  growable = true;
  opened = 0;
  /** Verbs that its driver does not have. */
  without: readonly string[] = [];
  zeroFlags = 0;
  writeFlags = 0;
  /** Called with each request before it takes effect; throws to fail it, gives a promise to hold it up. */
  before: (seen: Seen) => Completion = () => undefined;

  constructor(size: number | Uint8Array = 0, limits: Partial<NodeLimits> = {}) {
    this.bytes = typeof size === 'number' ? new Uint8Array(size) : size;
    this.limits = { ...NO_LIMITS, ...limits };
  }

  get definition(): { driver: 'mem'; mem: MemFile } {
    return { driver: 'mem', mem: this };
  }

  /** What came, as `verb offset+length`. */
  get log(): string[] {
    return this.seen.map(({ verb, offset, length }) => (verb === 'flush' ? verb : `${verb} ${offset}+${length}`));
  }

  request(verb: string, offset: number, length: number, flags: number, apply: () => void): Completion {
    const seen = { verb, offset, length, flags };
    this.seen.push(seen);
    const { alignment, maxTransfer } = this.limits;
    if (verb !== 'flush' && verb !== 'truncate') {
      if (offset % alignment !== 0 || (length % alignment !== 0 && offset + length !== this.bytes.length)) throw new Error(`misaligned ${verb}`);
      if (maxTransfer > 0 && (verb === 'read' || verb === 'write') && length > maxTransfer) throw new Error(`${verb} too long`);
    }
    const done = this.before(seen);
    if (done === undefined) {
      apply();
      return;
    }
    return done.then(apply);
  }

  resize(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }
}

/** A promise that is settled from outside. */
export interface Gate {
  readonly promise: Promise<void>;
  open(): void;
  fail(error: Error): void;
}

export function gate(): Gate {
  let open!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** Lets everything that can go on go on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Named files of one test, and the driver `mem` for them. */
export class MemFiles {
  readonly files = new Map<string, MemFile>();

  readonly driver: BlockDriver = defineDriver<{ mem?: unknown; filename?: string }>({
    name: 'mem',
    role: 'protocol',
    options: { mem: { type: 'any' }, filename: { type: 'string' } },
    schemes: ['mem'],
    parseFilename: (filename) => ({ filename }),
    probePath: () => 1,
    open: async (options, context) => {
      const file = options.mem instanceof MemFile ? options.mem : this.get(options.filename ?? '');
      file.opened++;
      return memNode(file, options.filename ?? 'mem:', context.readOnly);
    },
    createOptions: { colour: { type: { type: ['red', 'green'] }, help: 'Colour of the file' } },
    createFile: async (filename, { size }) => {
      this.put(filename, new MemFile(size));
    },
  });

  /** By name, with or without its `mem:`. */
  get(name: string): MemFile {
    const file = this.files.get(name.replace(/^mem:/, ''));
    if (!file) throw new BlockError('not-found', `Could not open '${name}': No such file or directory`);
    return file;
  }

  put(name: string, file: MemFile): MemFile {
    this.files.set(name.replace(/^mem:/, ''), file);
    return file;
  }
}

function memNode(file: MemFile, filename: string, readOnly: boolean): DriverNode {
  const has = (verb: string): boolean => !file.without.includes(verb) && !(readOnly && verb !== 'flush' && verb !== 'extent');
  const node: DriverNode = {
    get size() {
      return file.bytes.length;
    },
    limits: file.limits,
    get growable() {
      return file.growable;
    },
    zeroFlags: file.zeroFlags,
    writeFlags: file.writeFlags,
    filename,
    read: (offset, buffer, start, length) =>
      file.request('read', offset, length, 0, () => {
        buffer.fill(0, start, start + length);
        buffer.set(file.bytes.subarray(offset, offset + length), start);
      }),
    close: async () => {
      file.opened--;
    },
  };
  const grow = (end: number): void => {
    if (end > file.bytes.length) file.resize(end);
  };
  const verbs: Partial<DriverNode> = {
    write: (offset, buffer, start, length, flags) =>
      file.request('write', offset, length, flags, () => {
        grow(offset + length);
        file.bytes.set(buffer.subarray(start, start + length), offset);
      }),
    writeZeroes: (offset, length, flags) =>
      file.request('zero', offset, length, flags, () => {
        grow(offset + length);
        file.bytes.fill(0, offset, offset + length);
      }),
    discard: (offset, length) => file.request('discard', offset, length, 0, () => file.bytes.fill(0xdd, offset, offset + length)),
    flush: () => file.request('flush', 0, 0, 0, () => undefined),
    truncate: async (size) => {
      await file.request('truncate', size, 0, 0, () => {
        file.resize(size);
      });
    },
  };
  for (const [verb, value] of Object.entries(verbs)) if (has(verb)) Object.assign(node, { [verb]: value });
  return node;
}

const CLUSTER = 4096;
const HEADER = 8192;

/** A copy-on-write format: a line of JSON, one byte a cluster from 4096 on, clusters in their places from 8192 on. */
export const cow: BlockDriver = defineDriver<{ file: unknown }, { backing_file?: string; backing_fmt?: string }>({
  name: 'cow',
  role: 'format',
  options: {},
  children: { file: 'required' },
  backing: true,
  probe: (head) => (text(head).startsWith('COW') ? 90 : 0),
  open: async (options, context) => {
    const file = await context.child('file', options.file, 'storage');
    const head = new Uint8Array(HEADER);
    const done = file.read(0, head, 0, HEADER);
    if (done !== undefined) await done;
    const line = text(head).split('\n')[0];
    if (!line.startsWith('COW')) throw new BlockError('invalid-image', 'Image is not in COW format');
    return new CowNode(file, JSON.parse(line.slice(3)) as CowHeader, head.slice(4096));
  },
  createOptions: {
    backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
    backing_fmt: { type: { type: 'string' }, help: 'Image format of the base image' },
  },
  create: async (file, { size, backing_file, backing_fmt }) => {
    const head = new Uint8Array(HEADER);
    const header: CowHeader = { size, ...(backing_file === undefined ? {} : { backing: backing_file }), ...(backing_fmt === undefined ? {} : { format: backing_fmt }) };
    head.set(new TextEncoder().encode(`COW${JSON.stringify(header)}\n`));
    const done = file.write(0, head, 0, HEADER);
    if (done !== undefined) await done;
  },
});

interface CowHeader {
  readonly size: number;
  readonly backing?: string;
  readonly format?: string;
}

class CowNode implements DriverNode {
  readonly limits: NodeLimits = { ...NO_LIMITS, zeroAlignment: CLUSTER };
  readonly size: number;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly recordedBacking;
  #backing: Edge | undefined;

  constructor(
    private readonly file: Edge,
    header: CowHeader,
    private readonly map: Uint8Array,
  ) {
    this.size = header.size;
    this.recordedBacking =
      header.backing === undefined ? undefined : { filename: header.backing, ...(header.format === undefined ? {} : { format: header.format }) };
  }

  setBacking(child: Edge | undefined): void {
    this.#backing = child;
  }

  extent(offset: number, length: number) {
    const kind = this.map[Math.floor(offset / CLUSTER)];
    const end = Math.min((Math.floor(offset / CLUSTER) + 1) * CLUSTER, offset + length);
    if (kind === 0) return unallocatedExtent(end - offset);
    return kind === 2 ? zeroExtent(end - offset) : dataExtent(end - offset, HEADER + offset);
  }

  async read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let at = offset; at < offset + length; ) {
      const extent = this.extent(at, offset + length - at);
      const to = start + at - offset;
      if (extent.data) await this.file.read(HEADER + at, buffer, to, extent.length);
      else if (extent.zero || this.#backing === undefined) buffer.fill(0, to, to + extent.length);
      else await this.#backing.read(at, buffer, to, extent.length);
      at += extent.length;
    }
  }

  async write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let at = offset; at < offset + length; ) {
      const cluster = Math.floor(at / CLUSTER);
      const end = Math.min((cluster + 1) * CLUSTER, offset + length);
      const block = new Uint8Array(CLUSTER);
      await this.read(cluster * CLUSTER, block, 0, CLUSTER);
      block.set(buffer.subarray(start + at - offset, start + end - offset), at - cluster * CLUSTER);
      await this.file.write(HEADER + cluster * CLUSTER, block, 0, CLUSTER);
      this.map[cluster] = 1;
      at = end;
    }
    await this.#saveMap();
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    if (offset % CLUSTER !== 0 || length % CLUSTER !== 0) throw new BlockError('unsupported', 'whole clusters only');
    this.map.fill(2, offset / CLUSTER, (offset + length) / CLUSTER);
    await this.#saveMap();
  }

  async close(): Promise<void> {}

  async #saveMap(): Promise<void> {
    await this.file.write(4096, this.map, 0, this.map.length);
  }
}

/** Whatever no other format knows. */
export const plain: BlockDriver = defineDriver<{ file: unknown }>({
  name: 'plain',
  role: 'format',
  options: {},
  children: { file: 'required' },
  probe: () => 1,
  open: async (options, context) => {
    const file = await context.child('file', options.file, 'filtered');
    return {
      get size() {
        return file.size;
      },
      limits: NO_LIMITS,
      zeroFlags: WriteFlag.MayUnmap | WriteFlag.NoFallback,
      read: (offset, buffer, start, length) => file.read(offset, buffer, start, length),
      write: (offset, buffer, start, length, flags) => file.write(offset, buffer, start, length, flags),
      writeZeroes: (offset, length, flags) => file.writeZeroes(offset, length, flags),
      discard: (offset, length) => file.discard(offset, length),
      extent: (offset, length) => file.extent(offset, length),
      truncate: (size, how) => file.node.truncate(size, how),
      close: async () => undefined,
    } satisfies DriverNode;
  },
});

export interface Setup {
  readonly graph: BlockGraph;
  readonly files: MemFiles;
}

export function setup(options: Partial<GraphOptions> = {}): Setup {
  const files = new MemFiles();
  return { files, graph: new BlockGraph({ drivers: [files.driver, cow, plain], ...options }) };
}

/** What a request gives, thrown or rejected: the error, or undefined. */
export async function failure(request: () => unknown): Promise<BlockError | undefined> {
  try {
    const done = request();
    if (isPromise(done)) await done;
    return undefined;
  } catch (error) {
    if (error instanceof BlockError) return error;
    throw error;
  }
}

export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) {
    const at = actual.findIndex((byte, index) => byte !== expected[index]);
    throw new Error(`differ at ${at}: ${actual[at]} instead of ${expected[at]}, lengths ${actual.length} and ${expected.length}`);
  }
}

/** Repeatable bytes that are never zero. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[i] = ((state >>> 16) % 255) + 1;
  }
  return bytes;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
