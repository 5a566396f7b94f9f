/** From a file to an open image. */
import { MappedImage, mappedNode, Place, RootTable, settled, SpaceAtEnd, Tables, writeRange, type EntryCodec } from '@blk/cluster-map';
import { WriteFlag, type Completion, type DriverImageInfo, type DriverNode, type Edge, type OpenContext, type RecordedBacking } from '@blk/core-graph';
import { openCipher, type EncryptOptions } from './encryption.js';
import { qcowError, wishError } from './errors.js';
import { ENTRY_BYTES, HEADER_BYTES, parseHeader, SECTOR, type QcowHeader } from './header.js';
import { isPacked, PackedReader, writePacked } from './packed.js';

/** What QEMU's driver tells. */
const EVENTS = [
  'l1_update', 'l2_load', 'l2_update', 'l2_update_compressed', 'read_aio', 'read_backing_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cluster_alloc',
] as const;

export interface QcowSettings {
  readonly encrypt: EncryptOptions;
  /** Most bytes of second tables in memory. */
  readonly budget: number | undefined;
}

export async function openQcow(file: Edge, { encrypt, budget }: QcowSettings, context: OpenContext): Promise<DriverNode> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  const header = parseHeader(bytes, file.size);
  const backing = await readBacking(file, header);
  if (!header.encrypted && encrypt.format !== undefined) throw wishError(`No encryption in image header, but options specified format '${encrypt.format}'`);
  const cipher = header.encrypted ? await openCipher(encrypt, context) : undefined;
  const { clusterBits, l1Offset, l1Entries, l2Entries, size } = header;
  const clusterSize = 2 ** clusterBits;
  const root = await RootTable.load(file, l1Offset, l1Entries, codecOf(header, 'A table'), context.policy.maxMetadataBytes);
  const tables = new Tables(file, { driver: 'qcow', codec: codecOf(header, 'A cluster'), entries: l2Entries, root, budget, events: EVENTS });
  const space = new SpaceAtEnd(file, clusterSize, l1Offset + l1Entries * ENTRY_BYTES);
  const reader = new PackedReader(file, clusterBits);
  const image = new MappedImage({
    driver: 'qcow', file, size, clusterSize, tables, space, readOnly: context.readOnly, ...(cipher === undefined ? {} : { cipher }),
    unpack: (low, high, into, start) => reader.read(low, high, into, start),
  });
  return mappedNode(image, {
    recordedBacking: backing,
    writeFlags: WriteFlag.Compressed,
    write: (offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion =>
      (flags & WriteFlag.Compressed) === 0
        ? writeRange(image, offset, buffer, start, length)
        : writePacked(image, { space, reader }, offset, buffer, start, length),
    info: (): DriverImageInfo => ({ clusterSize, dirty: false, encrypted: header.encrypted }),
  });
}

function codecOf({ l1Offset, l1Entries, l2Entries, clusterBits }: QcowHeader, thing: 'A table' | 'A cluster'): EntryCodec {
  const length = thing === 'A table' ? l2Entries * ENTRY_BYTES : 2 ** clusterBits;
  const tableEnd = l1Offset + l1Entries * ENTRY_BYTES;
  return {
    bytes: ENTRY_BYTES,
    littleEndian: false,
    decode: (low, high) => {
      if (isPacked(high)) {
        if (thing === 'A cluster') return Place.Packed;
      } else {
        const place = high * 2 ** 32 + low;
        if (place === 0) return Place.Hole;
        const overTable = place + length > l1Offset && place < tableEnd;
        if (place % SECTOR === 0 && !overTable && Number.isSafeInteger(place)) return place;
      }
      throw qcowError({ what: 'offset', thing, offset: (BigInt(high) << 32n) | BigInt(low) });
    },
    encode: (place) => place,
  };
}

async function readBacking(file: Edge, { nameOffset, nameSize }: QcowHeader): Promise<RecordedBacking | undefined> {
  if (nameSize === 0) return undefined;
  const bytes = new Uint8Array(nameSize);
  await settled(file.read(nameOffset, bytes, 0, nameSize));
  return { filename: new TextDecoder().decode(bytes) };
}
