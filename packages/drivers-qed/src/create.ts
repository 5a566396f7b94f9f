/** New images: the header and an empty first table. */
import { settled } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { wishError } from './errors.js';
import { CLUSTERS, Feature, HEADER_BYTES, headerBytesOf, isPowerBetween, MAX_NAME, mostBytes, TABLES, type QedHeader } from './header.js';

export interface QedCreateOptions {
  readonly backing_file?: string;
  readonly backing_fmt?: string;
  /** Bytes. */
  readonly cluster_size?: number;
  /** Clusters. */
  readonly table_size?: number;
}

const SECTOR = 512;

/** The header of the image that is wished for. Throws where it can't be. */
export function headerFor(options: QedCreateOptions & { readonly size: number }): { readonly header: QedHeader; readonly name: Uint8Array } {
  const clusterSize = options.cluster_size ?? CLUSTERS.usual;
  const tableSize = options.table_size ?? TABLES.usual;
  const range = ({ least, most }: typeof CLUSTERS | typeof TABLES): string => `must be within range [${least}, ${most}] and power of 2`;
  if (!isPowerBetween(clusterSize, CLUSTERS)) throw wishError(`QED cluster size ${range(CLUSTERS)}`);
  if (!isPowerBetween(tableSize, TABLES)) throw wishError(`QED table size ${range(TABLES)}`);
  const tableBytes = tableSize * clusterSize;
  const most = mostBytes({ clusterSize, tableBytes });
  const size = Math.ceil(options.size / SECTOR) * SECTOR;
  if (size > most) throw wishError(`QED image size must be a non-zero multiple of cluster size and less than ${most} bytes`);
  const name = new TextEncoder().encode(options.backing_file ?? '');
  if (name.length > MAX_NAME) throw wishError('Backing file name is too long for the header');
  const raw = options.backing_fmt === 'raw' ? Feature.BackingRaw : 0;
  const header: QedHeader = {
    clusterSize, tableBytes, headerBytes: clusterSize, features: name.length === 0 ? 0 : Feature.BackingFile | raw, autoclear: 0n, compatible: 0n,
    l1Offset: clusterSize, size, nameOffset: name.length === 0 ? 0 : HEADER_BYTES, nameSize: name.length,
  };
  return { header, name };
}

export async function createQed(file: Edge, options: QedCreateOptions & { readonly size: number }): Promise<void> {
  const { header, name } = headerFor(options);
  const bytes = headerBytesOf(header);
  const end = header.l1Offset + header.tableBytes;
  await settled(file.write(0, bytes, 0, bytes.length));
  if (name.length > 0) await settled(file.write(HEADER_BYTES, name, 0, name.length));
  if (file.size < end) await file.node.truncate(end);
  else await settled(file.writeZeroes(header.l1Offset, header.tableBytes));
}
