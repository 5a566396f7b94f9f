/**
 * Whether every cluster is referred to once, and every offset can be right. As in the reference, offsets that can't be are emptied by any repair,
 * clusters that are referred to twice are not repaired, and clusters that nobody refers to stay. Of a cluster that the end of the file cuts short
 * the reference keeps nothing; here what is there stays, and the file is made as long as it has to be.
 */
import { Bits, settled } from '@blk/cluster-map';
import { emptyCheckResult, type CheckOptions, type CheckResult, type Edge } from '@blk/core-graph';
import { qedError } from './errors.js';
import { ENTRY_BYTES, type QedHeader } from './header.js';

const PIECE = 65536;
const ZERO_CLUSTER = 1;

export async function checkQed(file: Edge, header: QedHeader, options: CheckOptions, limit: number): Promise<CheckResult> {
  const clusters = Math.ceil(file.size / header.clusterSize);
  if (clusters / 8 > limit) throw qedError({ what: 'memory', bytes: clusters / 8, limit });
  const check = new Check(file, header, options, clusters);
  await check.run();
  return check.result;
}

class Check {
  readonly result = emptyCheckResult();
  readonly #used: Bits;
  #usedCount = 0;
  #previous = 0;
  /** Data lies in the cluster that the end of the file cuts. */
  #cut = false;

  constructor(
    private readonly file: Edge,
    private readonly header: QedHeader,
    private readonly options: CheckOptions,
    private readonly clusters: number,
  ) {
    this.#used = new Bits(clusters);
  }

  async run(): Promise<void> {
    const { header, file, result, options } = this;
    const { headerBytes, clusterSize, l1Offset, tableBytes, size } = header;
    result.totalClusters = Math.ceil(size / clusterSize);
    this.#mark(0, Math.min(this.clusters, headerBytes / clusterSize));
    this.#mark(l1Offset, tableBytes / clusterSize);
    await this.#table(l1Offset, async (offset) => {
      if (!this.#isRight(offset, tableBytes)) return false;
      this.#previous = 0;
      if (this.#mark(offset, tableBytes / clusterSize)) await this.#table(offset, (data) => this.#data(data));
      return true;
    });
    result.leaks = this.#whole - this.#usedCount;
    if (this.#cut) await this.#fillUp();
    if (result.corruptionsFixed > 0 && options.repair !== 'none') await settled(file.flush());
  }

  #data(offset: number): boolean {
    const { header, result } = this;
    if (offset === ZERO_CLUSTER) return true;
    result.allocatedClusters++;
    if (this.#previous !== 0 && offset !== this.#previous + header.clusterSize) result.fragmentedClusters++;
    this.#previous = offset;
    if (!this.#isRight(offset, 1)) return false;
    if (offset + header.clusterSize > this.file.size) this.#cut = true;
    this.#mark(offset, 1);
    return true;
  }

  /** Clusters that are in the file to their end. */
  get #whole(): number {
    return Math.floor(this.file.size / this.header.clusterSize);
  }

  async #fillUp(): Promise<void> {
    const { file, result, options } = this;
    if (options.repair === 'none' || file.node.driver.growable !== true) {
      result.corruptions++;
      return;
    }
    await file.node.truncate(this.clusters * this.header.clusterSize);
    result.corruptionsFixed++;
  }

  /** Goes through the entries of one table, those that are set; `visit` says whether one can be right. */
  async #table(offset: number, visit: (entry: number) => boolean | Promise<boolean>): Promise<void> {
    const { file, header, options, result } = this;
    const bytes = new Uint8Array(Math.min(PIECE, header.tableBytes));
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < header.tableBytes; at += bytes.length) {
      const waiting = options.pause?.();
      if (waiting !== undefined) await waiting;
      await settled(file.read(offset + at, bytes, 0, bytes.length));
      let changed = false;
      for (let place = 0; place < bytes.length; place += ENTRY_BYTES) {
        const entry = view.getUint32(place + 4, true) * 2 ** 32 + view.getUint32(place, true);
        if (entry === 0) continue;
        const right = visit(entry);
        if (typeof right === 'boolean' ? right : await right) continue;
        if (options.repair === 'none') result.corruptions++;
        else {
          result.corruptionsFixed++;
          view.setBigUint64(place, 0n, true);
          changed = true;
        }
      }
      if (changed) await settled(file.write(offset + at, bytes, 0, bytes.length));
    }
  }

  #isRight(offset: number, length: number): boolean {
    return offset % this.header.clusterSize === 0 && offset + length <= this.file.size;
  }

  /** Whether nobody else refers to these clusters. */
  #mark(offset: number, count: number): boolean {
    const first = offset / this.header.clusterSize;
    let alone = true;
    for (let cluster = first; cluster < first + count; cluster++) {
      if (this.#used.has(cluster)) {
        this.result.corruptions++;
        alone = false;
        continue;
      }
      this.#used.add(cluster);
      if (cluster < this.#whole) this.#usedCount++;
    }
    return alone;
  }
}
