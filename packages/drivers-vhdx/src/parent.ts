/** How a differencing image names its parent. */
import { vhdxError } from './errors.js';
import { readId, viewOf } from './format.js';

/** Locators of parents that are VHDX images themselves. */
const VHDX_LOCATOR = 'b04aefb7-d19e-4a81-b789-25b8e9445913';
const MAX_PAIRS = 64;

export interface Parent {
  /** A path from the image's folder or an absolute one, with slashes. */
  readonly name: string;
  /** Identifiers of its content, either of which it may have; in lower case. */
  readonly linkage: readonly string[];
}

/** Throws a `BlockError` and nothing else. */
export function parseParent(bytes: Uint8Array): Parent {
  if (bytes.length < 20 || readId(bytes, 0) !== VHDX_LOCATOR) throw vhdxError({ what: 'parent', text: 'The parent of the image is of a kind that is not known' });
  const view = viewOf(bytes);
  const count = view.getUint16(18, true);
  if (count > MAX_PAIRS || 20 + count * 12 > bytes.length) throw vhdxError({ what: 'parent', text: 'Invalid parent locator' });
  const pairs = new Map<string, string>();
  for (let at = 20; at < 20 + count * 12; at += 12) {
    const key = textAt(bytes, view.getUint32(at, true), view.getUint16(at + 8, true));
    pairs.set(key, textAt(bytes, view.getUint32(at + 4, true), view.getUint16(at + 10, true)));
  }
  const linkage = ['parent_linkage', 'parent_linkage2'].flatMap((key) => pairs.get(key)?.toLowerCase().replace(/[{}]/g, '') ?? []);
  const relative = pairs.get('relative_path');
  // Absolute paths are those of the machine that made the image; only their last part is of use here.
  const absolute = (pairs.get('absolute_win32_path') ?? pairs.get('volume_path') ?? '').split(/[\\/]/).at(-1);
  const name = relative !== undefined && relative !== '' ? relative.replaceAll('\\', '/').replace(/^(\.\/)+/, '') : absolute;
  if (name === undefined || name === '') throw vhdxError({ what: 'parent', text: 'The differencing image does not name its parent' });
  // A path is no URL, and names no protocol.
  return { name: name.includes(':') && !name.startsWith('/') ? `./${name}` : name, linkage };
}

function textAt(bytes: Uint8Array, offset: number, length: number): string {
  if (offset + length > bytes.length) throw vhdxError({ what: 'parent', text: 'Invalid parent locator' });
  try {
    return new TextDecoder('utf-16le', { fatal: true }).decode(bytes.subarray(offset, offset + length)).split('\0')[0];
  } catch {
    throw vhdxError({ what: 'parent', text: 'Invalid parent locator' });
  }
}
