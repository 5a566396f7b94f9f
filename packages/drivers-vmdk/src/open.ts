/** From a file to an open image: a descriptor, apart or inside an extent, and the extents that it names. */
import { settled } from '@blk/cluster-map';
import { BlockError, protocolOf, resolveReference, type DriverNode, type Edge, type OpenContext } from '@blk/core-graph';
import { ContentId, type DescriptorPlace } from './content-id.js';
import { openCowd, readCowdHeader } from './cowd-extent.js';
import { MAX_DESCRIPTOR, NO_PARENT, parseDescriptor, type Descriptor, type ExtentLine } from './descriptor.js';
import { inExtent, vmdkError, wishError } from './errors.js';
import type { OpenExtent } from './extent.js';
import { FlatNode, ZeroNode } from './flat-extent.js';
import { VmdkNode } from './node.js';
import { isCowd, isSparse, type SparseHeader } from './sparse-header.js';
import { openSeSparse, readSeSparseHeader } from './sesparse-extent.js';
import { openSparse, readSparseHeader, type SparseContext } from './sparse-extent.js';

/** Files of extents that the caller names himself, in their order. */
export type NamedExtents = readonly unknown[] | undefined;

export interface VmdkSettings {
  readonly named: NamedExtents;
  /** Most bytes of tables in memory, of all extents together. */
  readonly cacheSize: number;
}

export async function openVmdk(file: Edge, { named, cacheSize }: VmdkSettings, context: OpenContext): Promise<DriverNode> {
  const head = new Uint8Array(Math.min(4, file.size));
  await settled(file.read(0, head, 0, head.length));
  if (isCowd(head)) throw vmdkError({ what: 'extent-alone' });
  if (isSparse(head)) {
    const header = await readSparseHeader(file);
    const place = await embeddedDescriptor(file, header);
    const descriptor = place === undefined ? WITHOUT : parseDescriptor(place.bytes);
    const extent = await openSparse(file, header, sharing(context, cacheSize));
    return new VmdkNode(file, descriptor, new ContentId(place ?? nowhere(file), descriptor.contentId, context.host), [extent], context.checking);
  }
  const place = await descriptorAlone(file);
  const descriptor = parseDescriptor(place.bytes);
  const extents: OpenExtent[] = [];
  const source = { from: file.node.filename, named, context, sparse: sharing(context, cacheSize / descriptor.extents.length) };
  for (const [index, line] of descriptor.extents.entries()) extents.push(await openExtent(index, line, source));
  if (extents.length === 0) throw vmdkError({ what: 'no-extents' });
  return new VmdkNode(file, descriptor, new ContentId(place, descriptor.contentId, context.host), extents, context.checking);
}

function sharing(context: OpenContext, cacheSize: number): SparseContext {
  const { readOnly, checking, policy } = context;
  return { readOnly, checking, policy, cacheSize, warn: (message) => { context.warn(message); } };
}

/** Of an extent that is opened by itself. */
const WITHOUT: Descriptor = { contentId: NO_PARENT, parentId: NO_PARENT, createType: 'monolithicSparse', parentHint: undefined, extents: [] };

function nowhere(file: Edge): DescriptorPlace {
  return { file, offset: 0, bytes: new Uint8Array(0), alone: false };
}

async function embeddedDescriptor(file: Edge, { descriptorOffset, descriptorSize }: SparseHeader): Promise<DescriptorPlace | undefined> {
  if (descriptorOffset === 0 || descriptorSize === 0) return undefined;
  if (descriptorSize > MAX_DESCRIPTOR) throw vmdkError({ what: 'descriptor-size', found: descriptorSize });
  return { file, offset: descriptorOffset, bytes: await bytesAt(file, descriptorOffset, descriptorSize), alone: false };
}

async function descriptorAlone(file: Edge): Promise<DescriptorPlace> {
  // Whatever it is, the reference calls it that.
  if (file.size > MAX_DESCRIPTOR) throw vmdkError({ what: 'descriptor' });
  return { file, offset: 0, bytes: await bytesAt(file, 0, file.size), alone: true };
}

async function bytesAt(file: Edge, offset: number, length: number): Promise<Uint8Array> {
  if (offset + length > file.size) throw vmdkError({ what: 'beyond-end', thing: 'The descriptor', offset, fileSize: file.size });
  const bytes = new Uint8Array(length);
  if (length > 0) await settled(file.read(offset, bytes, 0, length));
  return bytes;
}

interface ExtentSource {
  /** Name of the image. */
  readonly from: string;
  readonly named: NamedExtents;
  readonly context: OpenContext;
  readonly sparse: SparseContext;
}

async function openExtent(index: number, line: ExtentLine, { from, named, context, sparse }: ExtentSource): Promise<OpenExtent> {
  const { kind, size, start, filename, access } = line;
  if (access === 'RDONLY' && !context.readOnly) throw wishError(`Extent '${filename}' must be read only`, 'read-only');
  if (kind === 'ZERO') return { node: new ZeroNode(size), kind };
  const reference = named?.[index] ?? referenceTo(filename, from, context);
  const file = await context.child(`extents.${index}`, reference, 'data');
  if (kind === 'FLAT' || kind === 'VMFS') {
    if (start + size > file.size) throw vmdkError({ what: 'extent-size', filename, told: start + size, found: file.size });
    return { node: new FlatNode(file, start, size), file, kind };
  }
  const explain = (error: unknown): never => {
    throw inExtent(error, filename);
  };
  const { capacity, open } = await sparseOf(kind, file, sparse).catch(explain);
  if (capacity !== size) throw vmdkError({ what: 'extent-size', filename, told: size, found: capacity });
  return { ...(await open().catch(explain)), kind };
}

interface Found {
  readonly capacity: number;
  readonly open: () => Promise<OpenExtent>;
}

async function sparseOf(kind: 'SPARSE' | 'VMFSSPARSE' | 'SESPARSE', file: Edge, context: SparseContext): Promise<Found> {
  switch (kind) {
    case 'SPARSE': {
      const header = await readSparseHeader(file);
      return { capacity: header.capacity, open: () => openSparse(file, header, context) };
    }
    case 'VMFSSPARSE': {
      const header = await readCowdHeader(file);
      return { capacity: header.capacity, open: () => openCowd(file, header, context) };
    }
    case 'SESPARSE': {
      const header = await readSeSparseHeader(file);
      return { capacity: header.capacity, open: () => openSeSparse(file, header, context) };
    }
  }
}

/** The extent's file, which lies beside the image unless its name is absolute; the policy has to allow it. */
function referenceTo(filename: string, from: string, { policy }: OpenContext): { readonly filename: string } {
  // A descriptor names files, and no protocols: what looks like one is a part of the name.
  const resolved = resolveReference(from, protocolOf(filename) === undefined ? filename : `./${filename}`);
  if (!policy.allowReference(resolved, 'data-file', from)) {
    throw new BlockError('policy', `The policy for this image does not allow its extent '${resolved}'`, { driver: 'vmdk' });
  }
  return { filename: resolved };
}
