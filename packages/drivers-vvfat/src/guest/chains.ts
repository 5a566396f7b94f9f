/** The guest's allocation table, and chains of clusters through it, each of which belongs to one file only. */
import { FIRST_CLUSTER, type FatType, type Shape } from '../fat/shape.js';
import type { Run } from '../tree.js';
import { guestDefect } from './defect.js';

/** In the table, by kind: the first value that ends a chain, and the one for clusters that cannot be used. */
const ENDS: Readonly<Record<FatType, number>> = { 12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8 };

export class Chains {
  readonly #entries: Uint32Array;
  readonly #claimed: Uint8Array;
  readonly #end: number;
  readonly #last: number;

  /** `table`: the bytes of one table. */
  constructor(shape: Shape, table: Uint8Array) {
    this.#entries = decodeTable(shape, table);
    this.#last = shape.clusters + FIRST_CLUSTER - 1;
    this.#claimed = new Uint8Array((this.#last >> 3) + 1);
    this.#end = ENDS[shape.fatType];
  }

  isFree(cluster: number): boolean {
    return this.#entries[cluster] === 0;
  }

  /** Whether the table says that a cluster is used, and no chain that was claimed leads to it. */
  isLost(cluster: number): boolean {
    return !this.isFree(cluster) && ((this.#claimed[cluster >> 3]) & (1 << (cluster & 7))) === 0;
  }

  /** All clusters of the chain that begins with `first`. Throws where it is broken, or runs into another chain or itself. */
  claim(first: number, path: string): Run[] {
    const runs: { first: number; count: number }[] = [];
    for (let cluster = first; ; ) {
      this.#check(cluster, path);
      const run = runs.at(-1);
      if (run !== undefined && cluster === run.first + run.count) run.count++;
      else runs.push({ first: cluster, count: 1 });
      const next = this.#entries[cluster];
      if (next >= this.#end) return runs;
      cluster = next;
    }
  }

  #check(cluster: number, path: string): void {
    if (cluster < FIRST_CLUSTER || cluster > this.#last) throw guestDefect(`'${path}'`, `its chain leads to cluster ${cluster}, which is none`);
    const bit = 1 << (cluster & 7);
    if ((this.#claimed[cluster >> 3]) & bit) throw guestDefect(`'${path}'`, `cluster ${cluster} belongs to two files, or twice to one`);
    this.#claimed[cluster >> 3] |= bit;
    if (this.isFree(cluster)) throw guestDefect(`'${path}'`, `its chain leads to cluster ${cluster}, which is free`);
  }
}

function decodeTable({ fatType, clusters }: Shape, table: Uint8Array): Uint32Array {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const entries = new Uint32Array(clusters + FIRST_CLUSTER);
  for (let cluster = 0; cluster < entries.length; cluster++) {
    if (fatType === 32) entries[cluster] = view.getUint32(cluster * 4, true) & 0x0fffffff;
    else if (fatType === 16) entries[cluster] = view.getUint16(cluster * 2, true);
    else entries[cluster] = (view.getUint16(cluster + (cluster >> 1), true) >> (cluster % 2 === 0 ? 0 : 4)) & 0xfff;
  }
  return entries;
}
