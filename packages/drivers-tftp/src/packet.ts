/** Packets (RFC 1350), with options (RFC 2347). What cannot be read is no packet. */

export type Packet =
  | { readonly kind: 'data'; readonly block: number; readonly data: Uint8Array }
  | { readonly kind: 'options'; readonly options: ReadonlyMap<string, string> }
  | { readonly kind: 'error'; readonly code: number; readonly text: string };

const READ = 1;
const DATA = 3;
const ACK = 4;
const ERROR = 5;
const OPTIONS = 6;

/** A request for a file, byte for byte; each character of the path is one byte. Neither the path nor the options may hold a NUL. */
export function readRequest(path: string, options: Readonly<Record<string, number>>): Buffer {
  const words = [path, 'octet', ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])];
  return Buffer.concat([Buffer.of(0, READ), ...words.map((word) => Buffer.from(`${word}\0`, 'latin1'))]);
}

export function acknowledgement(block: number): Buffer {
  return Buffer.of(0, ACK, block >> 8, block & 255);
}

export function errorPacket(code: number, text: string): Buffer {
  return Buffer.concat([Buffer.of(0, ERROR, 0, code), Buffer.from(`${text}\0`)]);
}

/** The packet, whose data is a view; undefined where it is none that a server sends. */
export function parsePacket(bytes: Buffer): Packet | undefined {
  if (bytes.length < 2) return undefined;
  const kind = bytes.readUInt16BE(0);
  if (kind === OPTIONS) return parseOptions(bytes.toString('latin1', 2));
  if (bytes.length < 4) return undefined;
  if (kind === DATA) return { kind: 'data', block: bytes.readUInt16BE(2), data: bytes.subarray(4) };
  if (kind !== ERROR) return undefined;
  return { kind: 'error', code: bytes.readUInt16BE(2), text: bytes.toString('utf8', 4).replace(/\0[^]*$/, '') };
}

/** Names in lower case, each once. */
function parseOptions(text: string): Packet | undefined {
  const words = text.split('\0');
  // Every word ends with a NUL, so that nothing comes behind the last one.
  if (words.pop() !== '' || words.length % 2 !== 0) return undefined;
  const options = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at].toLowerCase();
    if (options.has(name)) return undefined;
    options.set(name, words[at + 1]);
  }
  return { kind: 'options', options };
}
