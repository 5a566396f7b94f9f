/** New images: the wish checked, the files of the extents, and the descriptor that names them. */
import { settled } from '@blk/cluster-map';
import { protocolOf, type CreateContext, type Edge } from '@blk/core-graph';
import { NO_PARENT, SECTOR } from './descriptor.js';
import { descriptorText, type NewDescriptor } from './descriptor-text.js';
import { wishError } from './errors.js';
import { directoryBytes, layOut, type SparseWish } from './layout.js';
import { VmdkNode } from './node.js';
import { encodeSparseHeader } from './sparse-header.js';
import { checkWish, type Wish } from './wish.js';

/** Bytes of an extent where a disk is split. */
const SPLIT = 2 ** 31;
const CONTROL = /[\0-\x1f]/g;

export async function createVmdk(file: Edge, wish: Wish, context: CreateContext): Promise<void> {
  const { flat, split, compressed } = checkWish(wish);
  const size = Math.ceil(wish.size / SECTOR) * SECTOR;
  const sparse = (capacity: number): SparseWish => ({ capacity, zeroGrains: wish.zeroed_grain === true, compressed });
  const image = await describe(wish, size, context);
  if (!flat && !split) {
    // Nobody goes by the name of the only extent, which may hold no line's end, though names of files may.
    const name = splitName(file.node.filename).base.replaceAll(CONTROL, '_');
    await createSparse(file, sparse(size), { ...image, extents: [`RW ${size / SECTOR} SPARSE "${name}"`] });
    return;
  }
  const { folder, base, stem, ending, query } = splitName(file.node.filename);
  if (base.includes('"') || base.search(CONTROL) >= 0) throw wishError(`invalid parameter value: ${base}`);
  const extents: string[] = [];
  const step = split ? SPLIT : size;
  for (let at = 0; at < size; at += step) {
    const number = String(extents.length + 1).padStart(3, '0');
    const name = `${stem}-${split ? `${flat ? 'f' : 's'}${number}` : 'flat'}${ending}`;
    const bytes = Math.min(step, size - at);
    const extent = await context.file(folder + name + query);
    if (flat) await extent.node.truncate(bytes);
    else await createSparse(extent, sparse(bytes), undefined);
    extents.push(`RW ${bytes / SECTOR} ${flat ? 'FLAT' : 'SPARSE'} "${name}"${flat ? ' 0' : ''}`);
  }
  const text = new TextEncoder().encode(descriptorText({ ...image, extents }));
  await settled(file.write(0, text, 0, text.length));
}

async function describe(wish: Wish, size: number, context: CreateContext): Promise<Omit<NewDescriptor, 'extents'>> {
  const id = new Uint8Array(4);
  context.host.random(id);
  const { backing_file: backing, hwversion = 'undefined', compat6 } = wish;
  const hasBacking = backing !== undefined && backing !== '';
  return {
    contentId: new DataView(id.buffer).getUint32(0) % (NO_PARENT - 1),
    parentId: hasBacking ? await idOf(backing, wish.backing_fmt, context) : NO_PARENT,
    createType: wish.subformat ?? 'monolithicSparse',
    parentHint: hasBacking ? backing : undefined,
    adapter: wish.adapter_type ?? 'ide',
    hardware: hwversion === 'undefined' ? (compat6 === true ? '6' : '4') : hwversion,
    tools: wish.toolsversion ?? '2147483647',
    size,
  };
}

/** Identifier of the content of the parent as it is now. */
async function idOf(backing: string, format: string | undefined, context: CreateContext): Promise<number> {
  const { driver } = await context.image(backing, format);
  if (!(driver instanceof VmdkNode)) throw wishError('backing_file must be a vmdk image');
  return driver.id;
}

async function createSparse(file: Edge, wish: SparseWish, descriptor: NewDescriptor | undefined): Promise<void> {
  const header = layOut(wish);
  const { descriptorOffset, descriptorSize, copyOffset, directoryOffset = 0, overhead } = header;
  const text = new TextEncoder().encode(descriptor === undefined ? '' : descriptorText(descriptor));
  if (text.length > descriptorSize) throw wishError(`The descriptor takes ${text.length} bytes, and may take ${descriptorSize}`);
  if (file.size < overhead) await file.node.truncate(overhead);
  else await settled(file.writeZeroes(0, overhead));
  const parts = [[0, encodeSparseHeader(header)], [descriptorOffset, text], [copyOffset, directoryBytes(header, copyOffset)]] as const;
  for (const [offset, bytes] of [...parts, [directoryOffset, directoryBytes(header, directoryOffset)] as const]) {
    if (bytes.length > 0) await settled(file.write(offset, bytes, 0, bytes.length));
  }
}

/** A file name in parts: everything up to the last slash or the protocol, the rest at its last dot, and what a URL says behind its path. */
function splitName(filename: string): Record<'folder' | 'base' | 'stem' | 'ending' | 'query', string> {
  const prefix = protocolOf(filename) === undefined ? 0 : filename.indexOf(':') + 1;
  const queryAt = filename.startsWith('//', prefix) && prefix > 0 ? filename.indexOf('?') : -1;
  const path = queryAt < 0 ? filename : filename.slice(0, queryAt);
  const at = Math.max(prefix, path.lastIndexOf('/') + 1);
  const base = path.slice(at);
  const dot = base.lastIndexOf('.');
  const [stem, ending] = dot < 0 ? [base, ''] : [base.slice(0, dot), base.slice(dot)];
  return { folder: path.slice(0, at), base, stem, ending, query: filename.slice(path.length) };
}
