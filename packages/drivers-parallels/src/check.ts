/** Whether the image was closed, and every entry of the catalog has a cluster of its own. The words are the reference's where it has some. */
import { Bits, settled } from '@blk/cluster-map';
import { emptyCheckResult, type CheckOptions, type CheckResult, type Edge } from '@blk/core-graph';
import { dataOffsetOf } from './data-offset.js';
import { catalogEntries, DATA_OFFSET_AT, ENTRY_BYTES, HEADER_BYTES, SECTOR, USE_OFFSET, usePatch, type ParallelsHeader } from './header.js';
import { ACROSS, CUT_SHORT, OVER_HEADER, hostClusters, wrongPlace } from './places.js';

/** Entries that are looked at together. */
const PIECE = 16384;
const COPY = 1024 * 1024;

export async function checkParallels(file: Edge, found: ParallelsHeader, options: CheckOptions): Promise<CheckResult> {
  const result = emptyCheckResult();
  const all = options.repair === 'all';
  const corruption = (text: string, can = true): boolean => {
    const repair = all && can;
    options.finding?.(`${repair ? 'Repairing' : 'ERROR'} ${text}`);
    if (repair) result.corruptionsFixed++;
    else result.corruptions++;
    return repair;
  };
  const notClosed = found.inUse && corruption('image was not closed correctly');
  const header = { ...found, dataOffset: await dataOffsetOf(file, found) };
  if (header.dataOffset !== found.dataOffset) {
    const [told, first] = [found, header].map(({ dataOffset }) => dataOffset / SECTOR);
    if (corruption(`data offset of ${told} sectors, where clusters lie from sector ${first} on`)) await writeDataOffset(file, first);
  }
  const catalog = new CatalogCheck(file, header, result, corruption);
  const entries = catalogEntries(header, file.size);
  for (let first = 0; first < entries; first += PIECE) {
    const waiting = options.pause?.();
    if (waiting !== undefined) await waiting;
    await catalog.look(first, Math.min(PIECE, entries - first));
  }
  result.totalClusters = header.entries;
  result.imageEndOffset = catalog.end;
  await checkEnd(file, header, catalog.end, options, result);
  if (notClosed) {
    // Only now is it all as it should be.
    await settled(file.flush());
    const patch = usePatch(header, false);
    await settled(file.write(USE_OFFSET, patch, 0, patch.length));
  }
  if (result.corruptionsFixed + result.leaksFixed > 0) await settled(file.flush());
  return result;
}

async function writeDataOffset(file: Edge, sectors: number): Promise<void> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, sectors, true);
  await settled(file.write(DATA_OFFSET_AT, bytes, 0, bytes.length));
}

/** What lies behind the last cluster in use. An extension's clusters are in nobody's catalog. */
async function checkEnd(file: Edge, header: ParallelsHeader, end: number, options: CheckOptions, result: CheckResult): Promise<void> {
  const space = file.size - end;
  // What is missing of the last cluster is lost; what is there stays.
  if (space < 0 && options.repair === 'all') await file.node.truncate(end);
  const repair = options.repair !== 'none';
  // Nothing can be given back to a device; of a file that is only read nobody can tell that it is one.
  const told = file.node.driver.growable === true || (file.node.readOnly && !repair);
  if (space <= 0 || header.extension !== 0 || !told) return;
  const leaks = Math.ceil(space / header.clusterSize);
  options.finding?.(`${repair ? 'Repairing' : 'ERROR'} space leaked at the end of the image ${space}`);
  if (repair) {
    await settled(file.flush());
    await file.node.truncate(end);
    result.leaksFixed += leaks;
  } else result.leaks += leaks;
}

class CatalogCheck {
  /** Behind the last cluster in use. */
  end: number;
  readonly #used: Bits;
  #previous = 0;
  /** Before copies were made at its end. */
  readonly #fileSize: number;
  /** Bytes that copies may still take: an image of nothing but shared clusters must not fill the host's disk. */
  #room: number;

  constructor(
    private readonly file: Edge,
    private readonly header: ParallelsHeader,
    private readonly result: CheckResult,
    /** Tells of it; whether it is to be repaired, where it can be. */
    private readonly corruption: (text: string, can?: boolean) => boolean,
  ) {
    this.end = header.dataOffset;
    this.#fileSize = file.size;
    this.#room = Math.max(file.size, 64 * 1024 * 1024);
    this.#used = new Bits(hostClusters(file, header) + header.entries);
  }

  async look(first: number, count: number): Promise<void> {
    const { file } = this;
    const bytes = new Uint8Array(count * ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    await settled(file.read(HEADER_BYTES + first * ENTRY_BYTES, bytes, 0, bytes.length));
    let changed = false;
    for (let at = 0; at < count; at++) {
      const entry = view.getUint32(at * ENTRY_BYTES, true);
      if (entry === 0) {
        this.#previous = 0;
        continue;
      }
      const better = await this.#right(first + at, entry * this.header.unit);
      if (better !== undefined) {
        view.setUint32(at * ENTRY_BYTES, better / this.header.unit, true);
        changed = true;
      }
    }
    if (!changed) return;
    // Copies first, then what refers to them.
    await settled(file.flush());
    await settled(file.write(HEADER_BYTES + first * ENTRY_BYTES, bytes, 0, bytes.length));
  }

  /** The place that a cluster should have instead, 0 for none; undefined where all is well or stays as it is. */
  async #right(cluster: number, place: number): Promise<number | undefined> {
    const { header, result } = this;
    const { clusterSize, dataOffset, size } = header;
    const length = cluster < header.clusters ? Math.min(clusterSize, size - cluster * clusterSize) : clusterSize;
    const why = wrongPlace({ size: this.#fileSize }, header, place, length);
    // What such a cluster holds is there: it gets a place of its own. Before the data, but behind the catalog, the same goes.
    const across = why === ACROSS || (why === OVER_HEADER && place >= header.leastDataOffset);
    if (why !== undefined && !across && this.corruption(`cluster ${cluster} ${why}`) && why !== CUT_SHORT) {
      this.#previous = 0;
      return 0;
    }
    let now = place;
    const shared = (why === undefined || why === CUT_SHORT) && this.#used.has((place - dataOffset) / clusterSize);
    if (across || shared) {
      this.#room -= clusterSize;
      const told = `cluster ${cluster} ${shared ? 'lies where another one does' : why}`;
      if (this.corruption(told, this.#room >= 0)) now = await this.#copy(place, Math.min(length, this.#fileSize - place));
    }
    result.allocatedClusters++;
    if (this.#previous !== 0 && now !== this.#previous + clusterSize) result.fragmentedClusters++;
    this.#previous = now;
    this.end = Math.max(this.end, now + clusterSize);
    if (why === undefined || why === CUT_SHORT || now !== place) this.#used.add((now - dataOffset) / clusterSize);
    return now === place ? undefined : now;
  }

  /** A cluster of its own at the end of the file. */
  async #copy(place: number, length: number): Promise<number> {
    const { file, header } = this;
    const { clusterSize, dataOffset } = header;
    const to = dataOffset + Math.ceil((Math.max(file.size, this.end) - dataOffset) / clusterSize) * clusterSize;
    const buffer = new Uint8Array(Math.min(COPY, length));
    for (let at = 0; at < length; at += buffer.length) {
      const part = Math.min(buffer.length, length - at);
      await settled(file.read(place + at, buffer, 0, part));
      await settled(file.write(to + at, buffer, 0, part));
    }
    if (file.size < to + clusterSize) await file.node.truncate(to + clusterSize);
    return to;
  }
}
