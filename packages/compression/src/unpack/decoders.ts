/** The decoders that are our own: each a function that makes one, whose text is part of the threads' program too. */
import { makeAdc } from './adc.js';
import { makeBzip2 } from './bzip2.js';
import { makeLzfse } from './lzfse.js';
import { makeXz } from './xz.js';

/**
 * Unpacks `bytes` into `into[start, start + size)`; the result is how many bytes there were. Throws where it is no stream, lacks its end, fails its
 * own checksums, or holds more.
 */
export type Decoder = (bytes: Uint8Array, into: Uint8Array, start: number, size: number) => number;

/** `adc`, `bzip2`, `lzfse` with all its kinds of blocks, `xz` with LZMA2 and no other filter. */
export type PackFormat = 'adc' | 'bzip2' | 'lzfse' | 'xz';

export const decoders: Readonly<Record<PackFormat, () => Decoder>> = { adc: makeAdc, bzip2: makeBzip2, lzfse: makeLzfse, xz: makeXz };
