/** A driver set up for one history: its image, the graph around it, and the model beside it. */
import { BlockGraph, type BlockDriver, type BlockNode, type Definition, type SecretLookup } from '@blk/core-graph';
import { BytesModel } from './bytes-model.js';
import { passthrough } from './passthrough.js';

/** What a test asks for. */
export interface ProvisionRequest {
  /** Bytes that the image should have. */
  readonly size: number;
  /** For whatever is random about the image. */
  readonly seed: number;
  /** Let the layers below the driver complete later and in any order, for example with `slow(seed)`. */
  readonly asynchronous: boolean;
}

/** A fresh image and the means to open it, as often as wanted. */
export interface Provision {
  /** The driver and those below it. */
  readonly drivers: readonly BlockDriver[];
  readonly definition: Definition;
  /** What the image holds; zeroes unless given. */
  readonly content?: Uint8Array;
  readonly secrets?: SecretLookup;
  /** Removes the image. */
  dispose?(): Promise<void> | void;
}

export type Provider = (request: ProvisionRequest) => Promise<Provision>;

/** What a driver stands in when it is tested. */
export interface Arrangement {
  readonly name: string;
  readonly asynchronous: boolean;
  /** Puts the definition of the driver behind something else. */
  wrap(definition: Definition): Definition;
  /** Bytes of the image before what the top node shows. */
  readonly offset: number;
}

const OPEN = { discard: 'unmap' } as const;

export const BARE: Arrangement = { name: 'alone', asynchronous: false, offset: 0, wrap: (definition) => ({ ...OPEN, ...definition }) };

export const ARRANGEMENTS: readonly Arrangement[] = [
  BARE,
  { ...BARE, name: 'over storage that answers late and out of order', asynchronous: true },
  { ...BARE, name: 'with discards ignored', wrap: (definition) => ({ ...definition, discard: 'ignore' }) },
  { ...BARE, name: 'with zeroes detected', wrap: (definition) => ({ ...OPEN, ...definition, 'detect-zeroes': 'unmap' }) },
  { ...BARE, name: 'behind a filter', wrap: (definition) => ({ ...OPEN, driver: 'passthrough', file: { ...OPEN, ...definition } }) },
  {
    ...BARE,
    name: 'behind a filter that shifts',
    asynchronous: true,
    offset: 1536,
    wrap: (definition) => ({ ...OPEN, driver: 'passthrough', offset: 1536, file: { ...OPEN, ...definition } }),
  },
];

export class Rig {
  readonly model: BytesModel;
  node!: BlockNode;

  private constructor(
    readonly graph: BlockGraph,
    private readonly provision: Provision,
    private readonly arrangement: Arrangement,
    content: Uint8Array,
  ) {
    this.model = new BytesModel(content);
  }

  static async make(provide: Provider, arrangement: Arrangement, request: Omit<ProvisionRequest, 'asynchronous'>): Promise<Rig> {
    const provision = await provide({ ...request, asynchronous: arrangement.asynchronous });
    const { drivers, secrets } = provision;
    const graph = new BlockGraph({ drivers: [...drivers, passthrough], ...(secrets === undefined ? {} : { secrets }) });
    const rig = new Rig(graph, provision, arrangement, (provision.content ?? new Uint8Array(0)).slice(arrangement.offset));
    try {
      await rig.open();
      // What the driver made of the size; anything beyond the given content is zero.
      rig.model.resize(rig.node.size);
      return rig;
    } catch (error) {
      await rig.dispose();
      throw error;
    }
  }

  /** Bytes of the image before what `node` shows. */
  get shift(): number {
    return this.arrangement.offset;
  }

  async open(further: Definition = {}): Promise<void> {
    this.node = await this.graph.open({ ...this.arrangement.wrap(this.provision.definition), ...further });
  }

  async close(): Promise<void> {
    await this.graph.release(this.node);
  }

  async dispose(): Promise<void> {
    try {
      await this.graph.close();
    } finally {
      await this.provision.dispose?.();
    }
  }
}
