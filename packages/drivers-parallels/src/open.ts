/** From a file to an open image: the header, then every entry of the catalog, each checked before it is believed. */
import { Bits, checkInUse, CheckOnlyNode, FixedRoot, MappedImage, mappedNode, Place, settled, SpaceInHoles, Tables, type EntryCodec } from '@blk/cluster-map';
import { messageOf, type CheckOptions, type CheckResult, type DriverNode, type Edge, type OpenContext, type PersistentBitmaps } from '@blk/core-graph';
import { checkParallels } from './check.js';
import { parallelsError } from './errors.js';
import { ENTRY_BYTES, HEADER_BYTES, isMarkedEmpty, parseHeader, USE_OFFSET, usePatch, type ParallelsHeader } from './header.js';
import { eachPlace, hostClusters, wrongPlace } from './places.js';

/** `budget`: most bytes of the catalog in memory. */
export async function openParallels(file: Edge, budget: number | undefined, context: OpenContext): Promise<DriverNode> {
  const header = await readHeader(file);
  const end = HEADER_BYTES + header.clusters * ENTRY_BYTES;
  if (end > file.size) throw parallelsError({ what: 'catalog-truncated', end, fileSize: file.size });
  const memory = (hostClusters(file, header) + header.entries) / 8;
  const limit = context.policy.maxMetadataBytes;
  if (memory > limit) throw parallelsError({ what: 'memory', bytes: memory, limit });
  const { readOnly } = context;
  if (context.checking) {
    // A repair changes the header, and what is checked after it is what is there then.
    if (header.extension !== 0) await lookAtExtension(file, header, context);
    const checkAnew = async (options: CheckOptions): Promise<CheckResult> => checkParallels(file, await readHeader(file), options);
    return new CheckOnlyNode({ driver: 'parallels', file, size: header.size, readOnly, check: checkAnew });
  }
  if (header.inUse && !readOnly) throw parallelsError({ what: 'not-closed' });
  const image = await imageOf(file, header, { readOnly, budget });
  const persistentBitmaps = header.extension === 0 ? undefined : await lookAtExtension(file, header, context);
  const use = new Use(file, header);
  const mapped = new MappedImage({ ...image, beforeTables: () => use.begin() });
  return mappedNode(mapped, {
    ...(persistentBitmaps === undefined ? {} : { persistentBitmaps }),
    check: (options: CheckOptions) => checkInUse(() => mapped.flush(), (wanted) => checkParallels(file, header, wanted), options, 'parallels'),
    close: async () => {
      await settled(mapped.flush());
      await use.end();
    },
  });
}

async function readHeader(file: Edge): Promise<ParallelsHeader> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  return parseHeader(bytes);
}

/**
 * The bitmaps of an image that is only read: one that is written to goes on without, and says so. Images with a feature that must be known are only
 * read. A damaged extension takes nothing from the disk's content: it is told, and dropped, as the specification has it.
 */
async function lookAtExtension(file: Edge, header: ParallelsHeader, context: OpenContext): Promise<PersistentBitmaps | undefined> {
  // Loaded for the few images that have one.
  const { checkChangeable, readExtension } = await import('./extension.js');
  const limit = context.policy.maxMetadataBytes;
  if (!context.readOnly) {
    // A repair leaves it as it is.
    if (!context.checking) checkChangeable(await readExtension(file, header, limit));
    context.warn('warning: Format Extension ignored in RW mode');
    return undefined;
  }
  try {
    const { bitmapsOf } = await import('./bitmaps.js');
    return bitmapsOf(await readExtension(file, header, limit), file, header, limit);
  } catch (error) {
    context.warn(`warning: The bitmaps of the image are left out: ${messageOf(error)}`);
    return undefined;
  }
}

async function imageOf(file: Edge, header: ParallelsHeader, { readOnly, budget }: { readonly readOnly: boolean; readonly budget: number | undefined }): Promise<ConstructorParameters<typeof MappedImage>[0]> {
  const { clusters, clusterSize, dataOffset, unit, size } = header;
  const codec: EntryCodec = {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (low) => (low === 0 ? Place.Hole : low * unit),
    encode: (place) => place / unit,
  };
  const tables = new Tables(file, { driver: 'parallels', codec, entries: Math.max(1, clusters), root: new FixedRoot(HEADER_BYTES), budget });
  const host = hostClusters(file, header);
  // All that new clusters may need as well.
  const most = host + clusters;
  const used = new Bits(most);
  let end = 0;
  await tables.walk(clusters, (entries, first, stop) => {
    for (let cluster = first; cluster < stop; cluster++) {
      const place = entries.get(cluster - first);
      if (place === Place.Hole) continue;
      if (isMarkedEmpty(header)) throw parallelsError({ what: 'empty-bit', cluster });
      const at = (place - dataOffset) / clusterSize;
      const why = wrongPlace(file, header, place, Math.min(clusterSize, size - cluster * clusterSize)) ?? (used.has(at) ? 'lies where another one does' : undefined);
      if (why !== undefined) throw parallelsError({ what: 'cluster', cluster, why });
      used.add(at);
      end = Math.max(end, at + 1);
    }
  });
  // Entries that belong to no part of the disk: a header that tells of fewer sectors than it did must not cost what they have.
  await eachPlace(file, header, (place) => {
    if (place === Place.Hole || wrongPlace(file, header, place, 1) !== undefined) return;
    const at = Math.floor((place - dataOffset) / clusterSize);
    used.add(at);
    end = Math.max(end, at + 1);
  }, clusters);
  if (header.extension !== 0) {
    // What belongs to the extension is not known; nothing that is there is taken for free.
    for (let at = 0; at < host; at++) used.add(at);
    end = host;
  }
  const space = new SpaceInHoles(file, { start: dataOffset, unit: clusterSize, most }, used, end);
  return { driver: 'parallels', file, size, clusterSize, tables, space, readOnly };
}

/** The mark of an image that somebody writes to, from its first change on. */
class Use {
  #marked = false;

  constructor(
    private readonly file: Edge,
    private readonly header: ParallelsHeader,
  ) {}

  /** On stable storage before anything else changes. */
  async begin(): Promise<void> {
    if (this.#marked) return;
    await this.#write(true);
    await settled(this.file.flush());
    this.#marked = true;
  }

  async end(): Promise<void> {
    if (!this.#marked) return;
    await this.#write(false);
    await settled(this.file.flush());
    this.#marked = false;
  }

  #write(inUse: boolean): Promise<void> {
    const bytes = usePatch(this.header, inUse);
    return settled(this.file.write(USE_OFFSET, bytes, 0, bytes.length));
  }
}
