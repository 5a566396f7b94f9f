/** From a file to an open image. */
import { checkInUse, CheckOnlyNode, MappedImage, mappedNode, Place, RootTable, settled, SpaceAtEnd, Tables, type EntryCodec } from '@blk/cluster-map';
import type {
  CheckOptions, CheckResult, DriverImageInfo, DriverNode, Edge, OpenContext, TruncateOptions,
} from '@blk/core-graph';
import { checkQed } from './check.js';
import { qedError } from './errors.js';
import { HeaderFile } from './header-file.js';
import { ENTRY_BYTES, type QedHeader } from './header.js';
import { growDisk } from './truncate.js';

/** What QEMU's driver tells. */
const EVENTS = ['l1_update', 'l2_load', 'l2_update', 'read_aio', 'read_backing_aio', 'write_aio', 'cow_write'] as const;

/** `budget`: most bytes of second tables in memory. */
export async function openQed(file: Edge, budget: number | undefined, context: OpenContext): Promise<DriverNode> {
  const headerFile = await HeaderFile.open(file);
  const { readOnly, policy } = context;
  const limit = policy.maxMetadataBytes;
  const check = async (options: CheckOptions): Promise<CheckResult> => {
    const result = await checkQed(file, headerFile.current, options, limit);
    if (options.repair !== 'none' && result.corruptions === 0) await headerFile.markDirty(false);
    return result;
  };
  if (context.checking) return new CheckOnlyNode({ driver: 'qed', file, size: headerFile.current.size, readOnly, check, recordedBacking: headerFile.backing });
  if (!readOnly) await makeReady(headerFile, check);
  const mapped = await imageOf(file, headerFile, { readOnly, limit, budget });
  const own = {
    get recordedBacking() {
      return headerFile.backing;
    },
    changeBackingFile: headerFile.changeBacking.bind(headerFile),
    info: (): DriverImageInfo => ({ clusterSize: headerFile.current.clusterSize, dirty: headerFile.needsCheck }),
    check: (options: CheckOptions) => checkInUse(() => mapped.flush(), check, options, 'qed'),
    truncate: (size: number, { preallocation }: TruncateOptions) => growDisk(mapped, headerFile, { size, preallocation }, (header) => loadRoot(file, header, limit)),
    close: async () => {
      await settled(mapped.flush());
      if (!readOnly) await headerFile.markDirty(false);
    },
  };
  return mappedNode(mapped, own);
}

/** What has to be done before an image is written to. */
async function makeReady(headerFile: HeaderFile, check: (options: CheckOptions) => Promise<CheckResult>): Promise<void> {
  if (headerFile.needsCheck) {
    const { corruptions } = await check({ repair: 'all' });
    if (corruptions > 0) throw qedError({ what: 'inconsistent', corruptions });
  }
  // Bits that are unknown here would be wrong after a change.
  if (headerFile.current.autoclear !== 0n) await headerFile.change({ autoclear: 0n });
}

interface Settings {
  readonly readOnly: boolean;
  /** Most bytes of the first table. */
  readonly limit: number;
  readonly budget: number | undefined;
}

async function imageOf(file: Edge, headerFile: HeaderFile, { readOnly, limit, budget }: Settings): Promise<MappedImage> {
  const header = headerFile.current;
  const { clusterSize, tableBytes, l1Offset, size } = header;
  const codec: EntryCodec = {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (low, high) => {
      if (high === 0 && low <= 1) return low === 0 ? Place.Hole : Place.Zero;
      return placeOf(header, low, high, 'cluster-offset');
    },
    encode: (place) => (place === Place.Zero ? 1 : place),
  };
  const tables = new Tables(file, { driver: 'qed', codec, entries: tableBytes / ENTRY_BYTES, root: await loadRoot(file, header, limit), budget, events: EVENTS });
  return new MappedImage({
    driver: 'qed', file, size, clusterSize, tables, readOnly, zeroEntries: true, space: new SpaceAtEnd(file, clusterSize, l1Offset + tableBytes),
    // The tables are written in an order that leaves nothing to repair; others who find the image so will check it all the same.
    beforeTables: () => headerFile.markDirty(true),
  });
}

function loadRoot(file: Edge, header: QedHeader, limit: number): Promise<RootTable> {
  const { clusterSize, tableBytes, l1Offset, size } = header;
  const count = Math.ceil(size / clusterSize / (tableBytes / ENTRY_BYTES));
  const codec: EntryCodec = {
    bytes: ENTRY_BYTES,
    littleEndian: true,
    decode: (low, high) => (low + high === 0 ? Place.Hole : placeOf(header, low, high, 'table-offset')),
    encode: (place) => place,
  };
  return RootTable.load(file, l1Offset, count, codec, limit);
}

/** An offset that is neither across clusters nor over the header or the first table. */
function placeOf({ clusterSize, headerBytes, l1Offset, tableBytes }: QedHeader, low: number, high: number, what: 'cluster-offset' | 'table-offset'): number {
  const place = high * 2 ** 32 + low;
  const length = what === 'table-offset' ? tableBytes : clusterSize;
  const overTable = place + length > l1Offset && place < l1Offset + tableBytes;
  if (place % clusterSize !== 0 || place < headerBytes || overTable || !Number.isSafeInteger(place)) throw qedError({ what, offset: (BigInt(high) << 32n) | BigInt(low) });
  return place;
}
