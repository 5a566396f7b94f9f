/** The text that tells what a disk is made of: untrusted text to a checked descriptor. Section "The Descriptor File" of the specification. */
import { MAX_SIZE } from '@blk/core-graph';
import { vmdkError } from './errors.js';

export const SECTOR = 512;
/** Longest text that is believed. */
export const MAX_DESCRIPTOR = 1024 * 1024;
/** The parent's identifier of a disk that has none. */
export const NO_PARENT = 0xffff_ffff;
/** Far more extents than a disk can have at 2 GiB each. */
const MAX_EXTENTS = 65536;

export type ExtentKind = 'FLAT' | 'VMFS' | 'SPARSE' | 'VMFSSPARSE' | 'SESPARSE' | 'ZERO';

export interface ExtentLine {
  readonly access: 'RW' | 'RDONLY';
  /** Bytes. */
  readonly size: number;
  readonly kind: ExtentKind;
  /** As written; empty where the kind has no file. */
  readonly filename: string;
  /** Where the extent begins in its file, in bytes; flat ones only. */
  readonly start: number;
}

export interface Descriptor {
  readonly contentId: number;
  readonly parentId: number;
  readonly createType: string;
  /** Name of the parent; undefined where there is none. */
  readonly parentHint: string | undefined;
  readonly extents: readonly ExtentLine[];
}

/** Disks that are made of files; the others are devices. */
const TYPES = new Set([
  'monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', '2GbMaxExtentSparse', '2GbMaxExtentFlat', 'streamOptimized',
  'vmfs', 'vmfsSparse', 'vmfsThin', 'vmfsPreallocated', 'vmfsEagerZeroedThick', 'seSparse', 'custom',
]);
/** Extents that are devices of the host. */
const DEVICES: ReadonlySet<string> = new Set(['VMFSRDM', 'VMFSRAW']);
const KINDS: ReadonlySet<string> = new Set<ExtentKind>(['FLAT', 'VMFS', 'SPARSE', 'VMFSSPARSE', 'SESPARSE', 'ZERO']);

/** Whether these first bytes of a file are those of a descriptor: comments and blanks, then a version. */
export function looksLikeDescriptor(head: Uint8Array): boolean {
  if (head[0] !== HASH) return false;
  for (const line of new TextDecoder('latin1').decode(head).split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    return /^version=[123]$/.test(text);
  }
  return false;
}

const HASH = 0x23;

/** Throws a `BlockError` and nothing else. */
export function parseDescriptor(bytes: Uint8Array): Descriptor {
  if (bytes.length > MAX_DESCRIPTOR) throw vmdkError({ what: 'descriptor-size', found: bytes.length });
  const values = new Map<string, string>();
  const extents: ExtentLine[] = [];
  for (const line of textOf(bytes).split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    if (/^(RW|RDONLY|NOACCESS)\s/.test(text)) {
      extents.push(parseExtent(text));
      if (extents.length > MAX_EXTENTS) throw vmdkError({ what: 'descriptor' });
      continue;
    }
    const equals = text.indexOf('=');
    const key = text.slice(0, equals).trim();
    if (equals > 0 && !values.has(key)) values.set(key, unquoted(text.slice(equals + 1).trim()));
  }
  const createType = values.get('createType');
  if (createType === undefined) throw vmdkError({ what: 'descriptor' });
  if (!TYPES.has(createType)) throw vmdkError({ what: 'type', found: createType });
  const parentHint = values.get('parentFileNameHint');
  return {
    contentId: parseId(values.get('CID') ?? 'ffffffff'),
    parentId: parseId(values.get('parentCID') ?? 'ffffffff'),
    createType,
    parentHint: parentHint === '' ? undefined : parentHint,
    extents,
  };
}

export function idText(id: number): string {
  return id.toString(16).padStart(8, '0');
}

/**
 * Up to the first zero; sectors of a descriptor inside an extent are filled up with them. UTF-8 where it is that, whatever it says: else in the
 * encoding that it names, as VMware writes it on Windows.
 */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  const named = /^[ \t]*encoding[ \t]*=[ \t]*"?([\w.:-]{1,40})/m.exec(new TextDecoder('latin1').decode(text))?.[1];
  return decoded(text, 'utf-8', true) ?? decoded(text, named ?? 'utf-8', false) ?? new TextDecoder().decode(text);
}

/** Undefined where the text is not in that encoding, or none is called so. */
function decoded(text: Uint8Array, encoding: string, fatal: boolean): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal }).decode(text);
  } catch {
    return undefined;
  }
}

function parseId(text: string): number {
  if (!/^[0-9a-fA-F]{1,8}$/.test(text)) throw vmdkError({ what: 'content-id', found: text.slice(0, 40) });
  return parseInt(text, 16);
}

const EXTENT = /^(RW|RDONLY)\s+(\d{1,16})\s+([A-Z]+)(?:\s+"([^"]+)"(?:\s+(\d{1,16}))?(\s.*)?)?$/;

/** Names with quotes in them stand between quotes all the same; then nothing may follow. */
const WITH_QUOTES = /^(RW|RDONLY)\s+(\d{1,16})\s+([A-Z]*SPARSE)\s+"(.+)"$/;

function parseExtent(line: string): ExtentLine {
  const found = EXTENT.exec(line) ?? WITH_QUOTES.exec(line);
  if (found === null) throw vmdkError({ what: 'extent-line', line: line.slice(0, 200) });
  const [, access, sectors, kind, filename = '', start] = found;
  if (DEVICES.has(kind)) throw vmdkError({ what: 'device', line: line.slice(0, 200) });
  if (!KINDS.has(kind)) throw vmdkError({ what: 'extent-type', line: line.slice(0, 200) });
  const size = Number(sectors) * SECTOR;
  const from = Number(start ?? 0) * SECTOR;
  const named = filename !== '';
  if (size === 0 || named === (kind === 'ZERO') || (kind === 'FLAT' && start === undefined)) {
    throw vmdkError({ what: 'extent-line', line: line.slice(0, 200) });
  }
  if (size + from > MAX_SIZE) throw vmdkError({ what: 'capacity', sectors: (size + from) / SECTOR });
  return { access: access as 'RW' | 'RDONLY', size, kind: kind as ExtentKind, filename, start: from };
}

function unquoted(text: string): string {
  const end = text.indexOf('"', 1);
  return text.startsWith('"') && end > 0 ? text.slice(1, end) : text;
}
