/** Names that FAT holds and this host does not, or takes for something else. */

/** Bytes of a name that every host takes. */
const MAX_BYTES = 255;
const RESERVED = /^(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])(?:\.|$)/i;

export function hostNameDefect(name: string): string | undefined {
  if (Buffer.byteLength(name) > MAX_BYTES) return `it takes more than ${MAX_BYTES} bytes on the host`;
  return process.platform === 'win32' && RESERVED.test(name) ? 'the host keeps it for a device' : undefined;
}
