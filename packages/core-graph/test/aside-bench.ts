// Files, formats and a graph for the tests of copies past the layers; the test says what a file's driver answers.
import {
  AsideTarget, Backend, BlockGraph, defineDriver, FilterNode, NO_LIMITS,
  type AsideCopied, type AsideCopy, type BackendOptions, type BlockNode, type DriverNode, type Edge, type Extent, type MaybePromise,
} from '../src/index.js';
import { MemFile, MemFiles } from './support.js';

export const K = 1024;
export const WISH = { granularity: 512, tellZeroes: true, least: 4 * K };

/** Every byte is `by` bytes further on in the file. */
const shift = defineDriver<{ file: unknown; by?: number; role?: 'filtered' | 'storage' }>({
  name: 'shift', role: 'format', options: { by: { type: 'any' }, role: { type: 'any' } }, children: { file: 'required' }, probe: () => 1,
  open: async ({ file: reference, by = 0 }, context) => {
    const file = await context.child('file', reference, 'filtered');
    return {
      get size() { return file.size - by; },
      limits: NO_LIMITS, fixedOffset: by,
      read: (offset, buffer, start, length) => file.read(offset + by, buffer, start, length),
      write: (offset, buffer, start, length, flags) => file.write(offset + by, buffer, start, length, flags),
      close: async () => undefined,
    } satisfies DriverNode;
  },
});

export type ExtentAt = (offset: number, length: number) => MaybePromise<Extent>;

/** What `at` says, of a disk of 1 MiB. Reading it here is nobody's affair. */
const mapped = defineDriver<{ file: unknown; data?: unknown; other?: unknown; at?: unknown }>({
  name: 'mapped', role: 'format', options: { at: { type: 'any' } }, children: { file: 'required', 'data-file': 'optional', other: 'optional' }, backing: true, probe: () => 1,
  open: async (options, context) => {
    await context.child('file', options.file, 'storage');
    const given = options as unknown as Record<string, unknown>;
    if (given['data-file'] !== undefined) await context.child('data-file', given['data-file'], 'data');
    const other: Edge | undefined = given.other === undefined ? undefined : await context.child('other', given.other, 'data');
    return {
      size: 1024 * K, limits: NO_LIMITS, extent: options.at as ExtentAt,
      read: () => { throw new Error('nobody reads here'); },
      ...(other === undefined ? {} : { dataChild: (offset: number) => (offset < 512 * K ? other : undefined) }),
      setBacking: () => undefined,
      close: async () => undefined,
    } satisfies DriverNode;
  },
});

export type TakePlace = NonNullable<DriverNode['takePlace']>;

/** 1 MiB for which `take` finds room. */
const placing = defineDriver<{ file: unknown; take?: unknown }>({
  name: 'placing', role: 'format', options: { take: { type: 'any' } }, children: { file: 'required' }, probe: () => 1,
  open: async (options, context) => {
    const file = await context.child('file', options.file, 'storage');
    return {
      size: 1024 * K, limits: NO_LIMITS, takePlace: options.take as TakePlace,
      read: () => undefined,
      write: () => { throw new Error('nobody writes here'); },
      flush: () => file.flush(),
      close: async () => undefined,
    } satisfies DriverNode;
  },
});

const filter = defineDriver<{ file: unknown }>({
  name: 'filter', role: 'filter', options: {}, children: { file: 'required' },
  open: async ({ file }, context) => new FilterNode(await context.child('file', file, 'filtered')),
});

export class Bench {
  readonly files = new MemFiles();
  readonly graph = new BlockGraph({ drivers: [this.files.driver, shift, mapped, placing, filter] });
  /** What reached the driver of a file. */
  readonly seen: (AsideCopy & { readonly to: DriverNode })[] = [];
  readonly #files = new Map<DriverNode | undefined, MemFile>();
  answer: (copy: AsideCopy) => Promise<AsideCopied> | undefined = ({ length }) => Promise.resolve({ length, zeroes: [] });
  readonly source = new MemFile(1024 * K);
  readonly target = new MemFile(1024 * K);
  backend!: Backend;

  async open(definition: object, readOnly = true): Promise<BlockNode> {
    const node = await this.graph.open(definition as never, { readOnly });
    this.#equip(node);
    return node;
  }

  async targetOver(definition: object = this.target.definition, options: BackendOptions = {}): Promise<AsideTarget | undefined> {
    this.backend = Backend.over(this.graph, await this.open(definition, false), { writable: true, ...options });
    return AsideTarget.of(this.backend);
  }

  /** Files of this test can copy to one another. */
  #equip(node: BlockNode): void {
    for (const edge of node.children.values()) this.#equip(edge.node);
    if (node.driverName !== 'mem' || node.driver.copyAside !== undefined) return;
    this.#files.set(node.driver, (node.settings.options as { mem?: MemFile } | undefined)?.mem as MemFile);
    Object.assign(node.driver, {
      copyAside: (copy: AsideCopy): Promise<AsideCopied> | undefined => {
        this.seen.push({ ...copy, to: node.driver });
        return this.answer(copy);
      },
    });
  }

  /** What was copied: of which of `files` (-1: of none), from where, and how much; each copy by itself. */
  copies(...files: readonly MemFile[]): [number, number, number][][] {
    return this.seen.map(({ parts }) => parts.map(({ file, offset, length }) => [files.indexOf(this.#files.get(file) as MemFile), offset, length]));
  }
}

export async function targetOf(bench: Bench, definition?: object, options?: BackendOptions): Promise<AsideTarget> {
  const target = await bench.targetOver(definition, options);
  if (target === undefined) throw new Error('the target should be plain');
  return target;
}

export const image = (at: ExtentAt, file: MemFile, more: object = {}): object => ({ driver: 'mapped', at, file: file.definition, ...more });
