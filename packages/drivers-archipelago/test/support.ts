/** A volume in a cluster of this process, open in a graph whose time stands still. */
import { BlockGraph, ManualClock, type BlockNode } from '@blk/core-graph';
import { SparseBytes } from '@blk/driver-conformance';
import { archipelagoDriver } from '../src/index.js';
import { Cluster, type ClusterOptions } from './cluster.js';

export const MIB = 1024 * 1024;

export class Bench implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly warnings: string[] = [];
  readonly clock = new ManualClock();
  readonly graph: BlockGraph;

  constructor(options: ClusterOptions & { readonly content?: Uint8Array } = {}) {
    this.cluster = new Cluster(options);
    this.cluster.volumes.set('disk01', SparseBytes.from(options.content ?? new Uint8Array(4 * MIB)));
    const { clock } = this;
    this.graph = new BlockGraph({
      drivers: [archipelagoDriver({ transport: this.cluster.transport })],
      host: { now: () => clock.now(), timer: (ms, callback) => clock.timer(ms, callback), warn: (message) => this.warnings.push(message) },
    });
  }

  open(options: Record<string, unknown> = { volume: 'disk01' }): Promise<BlockNode> {
    return this.graph.open({ driver: 'archipelago', ...options });
  }

  /** Waits until the cluster has seen so many requests of this kind. */
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 100_000; turn++) {
      if (condition()) return;
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    throw new Error('waited in vain');
  }

  /** Lets time pass, second by second, with turns of the event loop between. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1e9);
      for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => { setImmediate(resolve); });
    }
  }

  /** What a promise fails with, while time passes. */
  async failure(promise: Promise<unknown> | void, seconds = 70): Promise<Error> {
    const settled = Promise.resolve(promise).then(() => new Error('it did not fail'), (error: unknown) => error as Error);
    let done = false;
    void settled.then(() => { done = true; });
    for (let second = 0; second < seconds && !done; second++) await this.pass(1);
    if (!done) throw new Error(`nothing within ${seconds} s`);
    return settled;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.graph.close();
  }
}
