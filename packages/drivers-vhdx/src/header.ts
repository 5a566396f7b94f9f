/** The two headers, of which the newer whole one counts: parsed, and changed by writing the other one. */
import { vhdxError } from './errors.js';
import { crc32c, hasText, HEADER_BYTES, HEADER_OFFSETS, PAGE, putId, putText, putU64, readId, u64, viewOf, FIRST_REGION, MIB } from './format.js';
import type { Edge } from '@blk/core-graph';

const MAGIC = 'head';
const CHECKSUM_AT = 4;

export interface Header {
  readonly sequence: bigint;
  readonly fileWriteId: string;
  readonly dataWriteId: string;
  /** All zero: the log holds nothing. */
  readonly logId: string;
  readonly logOffset: number;
  readonly logLength: number;
}

export class HeaderFile {
  private constructor(
    private readonly file: Edge,
    public current: Header,
    /** Which of the two it stands in. */
    private slot: 0 | 1,
  ) {}

  static async read(file: Edge): Promise<HeaderFile> {
    const headers: (Header | undefined)[] = [];
    for (const offset of HEADER_OFFSETS) {
      const bytes = new Uint8Array(HEADER_BYTES);
      const done = file.read(offset, bytes, 0, HEADER_BYTES);
      if (done !== undefined) await done;
      headers.push(parseHeader(bytes));
    }
    const [first, second] = headers;
    if (first === undefined && second === undefined) throw vhdxError({ what: 'no-header' });
    const slot = second !== undefined && (first === undefined || second.sequence > first.sequence) ? 1 : 0;
    return new HeaderFile(file, checkLog(headers[slot] as Header), slot);
  }

  /** Changes values for good: they are on stable storage afterwards. The older header is overwritten, so that one of the two is always whole. */
  async update(changes: Partial<Pick<Header, 'fileWriteId' | 'dataWriteId' | 'logId'>>): Promise<void> {
    const next = { ...this.current, ...changes, sequence: this.current.sequence + 1n };
    const slot = this.slot === 0 ? 1 : 0;
    const bytes = encodeHeader(next);
    await this.file.write(HEADER_OFFSETS[slot], bytes, 0, bytes.length);
    await this.file.flush();
    this.current = next;
    this.slot = slot;
  }
}

/** The header, or undefined where it is not whole. Throws for versions that are not known. */
function parseHeader(bytes: Uint8Array): Header | undefined {
  const view = viewOf(bytes);
  if (!hasText(bytes, 0, MAGIC) || view.getUint32(CHECKSUM_AT, true) !== crc32c(bytes, CHECKSUM_AT)) return undefined;
  const version = view.getUint16(66, true);
  if (version !== 1) throw vhdxError({ what: 'version', of: 'header', found: version });
  const logVersion = view.getUint16(64, true);
  if (logVersion !== 0) throw vhdxError({ what: 'version', of: 'log', found: logVersion });
  return {
    sequence: view.getBigUint64(8, true),
    fileWriteId: readId(bytes, 16),
    dataWriteId: readId(bytes, 32),
    logId: readId(bytes, 48),
    logLength: view.getUint32(68, true),
    logOffset: u64(view, 72),
  };
}

function checkLog(header: Header): Header {
  const { logOffset: offset, logLength: length } = header;
  if (offset % MIB !== 0 || offset < FIRST_REGION || length % MIB !== 0 || length < 64 * PAGE) throw vhdxError({ what: 'range', part: 'log', offset, length });
  return header;
}

export function encodeHeader({ sequence, fileWriteId, dataWriteId, logId, logOffset, logLength }: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  putText(bytes, 0, MAGIC);
  view.setBigUint64(8, sequence, true);
  putId(bytes, 16, fileWriteId);
  putId(bytes, 32, dataWriteId);
  putId(bytes, 48, logId);
  view.setUint16(66, 1, true);
  view.setUint32(68, logLength, true);
  putU64(view, 72, logOffset);
  view.setUint32(CHECKSUM_AT, crc32c(bytes, CHECKSUM_AT), true);
  return bytes;
}
