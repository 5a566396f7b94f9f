/** How a differencing image names its parent: locators for several platforms, and a name in the header. */
import type { Edge } from '@blk/core-graph';

export interface Locator {
  /** Four characters: `W2ru`, `W2ku`, `MacX`, …; four zero bytes where the slot is free. */
  readonly platform: string;
  /** Bytes of the name. */
  readonly length: number;
  /** Where the name lies in the file. */
  readonly offset: number;
}

/** Longest name that is believed; Windows has paths of 32767 characters. */
const MAX_NAME_BYTES = 65536;

/** Big-endian UTF-16, as the header has it, up to a zero. */
export function parentName(bytes: Uint8Array): string {
  let name = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = (bytes[at] << 8) | bytes[at + 1];
    if (unit === 0) break;
    name += String.fromCharCode(unit);
  }
  return name;
}

/**
 * Name of the parent, as a path from the image's folder or an absolute one, with slashes; undefined where none is told. Paths from the
 * folder come first: others are those of the machine that made the image, of which only the last part is of use here.
 */
export async function findParent(file: Edge, locators: readonly Locator[], unicodeName: string): Promise<string | undefined> {
  const names = new Map<string, string>();
  for (const { platform, length, offset } of locators) {
    if (!['W2ru', 'W2ku', 'MacX'].includes(platform) || length === 0 || length > MAX_NAME_BYTES || offset + length > file.size) continue;
    const bytes = new Uint8Array(length);
    const done = file.read(offset, bytes, 0, length);
    if (done !== undefined) await done;
    const name = decode(bytes, platform === 'MacX' ? 'utf-8' : 'utf-16le');
    if (name !== undefined && name !== '') names.set(platform, name);
  }
  const relative = names.get('W2ru');
  if (relative !== undefined) return local(relative.replaceAll('\\', '/').replace(/^(\.\/)+/, ''));
  const url = names.get('MacX');
  if (url !== undefined) {
    const path = pathOf(url);
    if (path !== undefined) return path;
  }
  const last = (unicodeName === '' ? (names.get('W2ku') ?? '') : unicodeName).split(/[\\/]/).at(-1);
  return last === undefined || last === '' ? undefined : local(last);
}

/** The text up to a zero; undefined where the bytes are none. */
function decode(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes).split('\0')[0];
  } catch {
    return undefined;
  }
}

function pathOf(url: string): string | undefined {
  try {
    const { protocol, pathname } = new URL(url);
    return protocol === 'file:' ? decodeURIComponent(pathname) : undefined;
  } catch {
    return undefined;
  }
}

/** A path is no URL, and names no protocol. */
function local(path: string): string {
  return path.includes(':') && !path.startsWith('/') ? `./${path}` : path;
}
