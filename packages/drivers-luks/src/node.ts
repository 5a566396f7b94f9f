/** One open container: every verb goes to the file behind the header, through the cipher. */
import {
  BlockError, MAX_SIZE, NO_LIMITS, WriteFlag, type AmendContext, type Completion, type DriverImageInfo, type DriverNode, type Edge, type NodeLimits,
  type OpenContext, type TruncateOptions,
} from '@blk/core-graph';
import { amendLuks, CIPHER_SECTOR, luksInfo, readSectors, writeSectors, type LuksVolume, type SectorCipher } from '@blk/crypto';

/** What opening with a passphrase gives. */
export interface Unlocked {
  readonly key: Uint8Array;
  readonly cipher: SectorCipher;
}

/** Longest request: what is encrypted needs a buffer of its length. */
const MAX_TRANSFER = 1024 * 1024;
const ZEROES = new Uint8Array(256 * 1024);

export class LuksNode implements DriverNode {
  readonly limits: NodeLimits = { ...NO_LIMITS, alignment: CIPHER_SECTOR, maxTransfer: MAX_TRANSFER };
  readonly startsAsNoise = true;
  readonly writeFlags = WriteFlag.Unchanged;
  readonly #payload: number;

  /** `unlocked`: absent where only metadata is asked for. */
  constructor(
    private readonly file: Edge,
    private readonly volume: LuksVolume,
    private readonly unlocked: Unlocked | undefined,
    private readonly context: Pick<OpenContext, 'pool' | 'host' | 'secret'>,
  ) {
    this.#payload = volume.header.payloadOffset;
  }

  get size(): number {
    return Math.max(0, Math.ceil((this.file.size - this.#payload) / CIPHER_SECTOR) * CIPHER_SECTOR);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { cipher } = this.#opened();
    return readSectors(this.file, this.#payload + offset, cipher, offset / CIPHER_SECTOR, buffer, start, length);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    const { cipher } = this.#opened();
    return writeSectors(this.file, this.#payload + offset, cipher, offset / CIPHER_SECTOR, buffer, start, length, this.context.pool, flags);
  }

  flush(): Completion {
    return this.file.flush();
  }

  /** What is added is written as zeroes: nothing else reads as that. */
  async truncate(size: number, options: TruncateOptions): Promise<void> {
    const before = this.size;
    const wanted = Math.ceil(size / CIPHER_SECTOR) * CIPHER_SECTOR;
    if (wanted > MAX_SIZE - this.#payload) throw new BlockError('too-large', 'The requested file size is too large', { driver: 'luks' });
    if (wanted > before) this.#opened();
    await this.file.node.truncate(this.#payload + wanted, options);
    for (let at = before; at < wanted; at += ZEROES.length) {
      const done = this.write(at, ZEROES, 0, Math.min(ZEROES.length, wanted - at), 0);
      if (done !== undefined) await done;
    }
  }

  info(): DriverImageInfo {
    return { encrypted: true, specific: { type: 'luks', data: luksInfo(this.volume.header) } };
  }

  /** Fills or erases key slots; `force` allows what can make the container unreadable for good. */
  async amend(options: Readonly<Record<string, unknown>>, { force, progress }: AmendContext): Promise<void> {
    const { host, secret } = this.context;
    progress?.(0, 1);
    await amendLuks(this.volume, this.#opened().key, options, {
      force,
      secret,
      random: (into) => {
        host.random(into);
      },
      now: () => host.now(),
    });
  }

  async close(): Promise<void> {}

  #opened(): Unlocked {
    if (this.unlocked !== undefined) return this.unlocked;
    throw new BlockError('permission', 'The container was opened without a key', { driver: 'luks', reason: 'luks/locked' });
  }
}
