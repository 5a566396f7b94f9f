/** An open remote file as a block node: verbs of the data plane become pieces on the wire. */
import { BlockError, NO_LIMITS, type DriverNode, type NodeLimits, type TruncateOptions } from '@blk/core-graph';
import { PIECE } from './remote-file.js';
import type { Session } from './session.js';
import { Places } from './transfer.js';

export class SshNode implements DriverNode {
  readonly limits: NodeLimits = NO_LIMITS;
  readonly growable: boolean;
  declare readonly write?: NonNullable<DriverNode['write']>;
  declare readonly flush?: NonNullable<DriverNode['flush']>;
  declare readonly truncate?: NonNullable<DriverNode['truncate']>;
  declare readonly filename?: string;
  readonly #places = new Places(PIECE);

  /** @param warnNoSync - called once, where the server cannot say that anything is stored */
  constructor(
    private readonly session: Session,
    filename: string | undefined,
    { readOnly, warnNoSync }: { readonly readOnly: boolean; readonly warnNoSync: () => void },
  ) {
    if (filename !== undefined) this.filename = filename;
    this.growable = !readOnly;
    if (readOnly) return;
    let warned = false;
    this.write = (offset, buffer, start, length) => this.#write(offset, buffer, start, length);
    this.truncate = (size, options) => this.#truncate(size, options);
    this.flush = () => {
      if (!session.canSync && !warned) {
        warned = true;
        warnNoSync();
      }
      return session.flush();
    };
  }

  get size(): number {
    return this.session.status.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const bytes = bufferOf(buffer);
    return this.session.run((file) => this.#places.run(offset, start, length, (at, from, count) => file.readPiece(at, bytes, from, count)));
  }

  allocatedSize(): number {
    throw new BlockError('unsupported', 'An SSH server does not tell how much space a file takes', { driver: 'ssh' });
  }

  close(): Promise<void> {
    return this.session.close();
  }

  async #write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const bytes = bufferOf(buffer);
    const { session } = this;
    session.writing(offset + length);
    await session.run((file) => this.#places.run(offset, start, length, (at, from, count) => file.writePiece(at, bytes, from, count)));
    session.wrote(offset + length);
  }

  async #truncate(size: number, { preallocation }: TruncateOptions): Promise<void> {
    if (preallocation !== 'off') {
      throw new BlockError('unsupported', `Unsupported preallocation mode '${preallocation}'`, { driver: 'ssh' });
    }
    if (size !== this.size) await this.session.resize(size);
  }
}

/** The same bytes, as the library wants them. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
