/** The disk as a block node that can be written: what the guest writes is kept aside, and becomes the directory's at a flush. */
import { BlockError, messageOf, WriteFlag, type DriverNode, type Extent, type Host } from '@blk/core-graph';
import { commit } from './commit/commit.js';
import type { Leftover } from './commit/stage.js';
import { Gate } from './gate.js';
import { GuestView } from './guest-view.js';
import { isTemporaryName } from './host/temporary.js';
import { expectFit } from './layout.js';
import { noSpaceTaken, SECTORS } from './node.js';
import type { OpenDisk } from './open.js';
import type { Overlay } from './overlay.js';
import type { FolderNode } from './tree.js';

export interface WritableSettings {
  readonly opened: OpenDisk;
  readonly overlay: Overlay;
  readonly host: Host;
  /** Memory that reading the guest's file system may take, in bytes. */
  readonly budgetBytes: number;
  readonly warn: (message: string) => void;
}

export class WritableVvfatNode implements DriverNode {
  readonly size: number;
  readonly limits = SECTORS;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly #view: GuestView;
  readonly #gate = new Gate();
  /** Something was written that no commit has seen. */
  #changed = false;
  #lastWarning = '';
  /** What commits that failed have left to do. */
  readonly #unfinished = { unsynced: new Set<FolderNode>(), leftovers: new Set<Leftover>() };

  constructor(
    private readonly settings: WritableSettings,
    readonly filename: string,
  ) {
    const { opened, overlay } = settings;
    this.size = opened.disk.size;
    this.#view = new GuestView(opened.disk, overlay);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#gate.shared(() => this.#view.read(offset, buffer, start, length));
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#gate.shared(() => {
      this.#changed = true;
      return this.settings.overlay.write(offset, buffer, start, length);
    });
  }

  /** What is zero already stays as it is: most of a disk is. */
  writeZeroes(offset: number, length: number): Promise<void> {
    return this.#gate.shared(async () => {
      for (let done = 0; done < length; ) {
        const extent = this.#view.extent(offset + done, Math.min(length - done, ZEROES.length));
        if (!extent.zero) {
          this.#changed = true;
          await this.settings.overlay.write(offset + done, ZEROES, 0, extent.length);
        }
        done += extent.length;
      }
    });
  }

  async flush(): Promise<void> {
    if (this.#changed) await this.#gate.alone(() => this.#commit());
  }

  extent(offset: number, length: number): Extent {
    return this.#view.extent(offset, length);
  }

  allocatedSize(): number {
    return noSpaceTaken();
  }

  /** Throws where what was written last cannot become the directory's: it is lost then. */
  async close(): Promise<void> {
    try {
      await this.flush();
      this.#tellNameless();
      this.#tellTooLarge();
    } catch (error) {
      throw new BlockError('io', `${messageOf(error)}. What was written since the last flush that succeeded is lost`, { driver: 'vvfat' }, error);
    } finally {
      await this.#letGo();
    }
  }

  /** Of everything, whatever becomes of the others: nothing that was written is behind it any more, so that nobody has to hear of it. */
  async #letGo(): Promise<void> {
    const { opened, overlay } = this.settings;
    await opened.files.close().catch(() => undefined);
    opened.root.close();
    await overlay.close().catch(() => undefined);
  }

  /** What the guest left without a name, though its table holds the clusters: whoever looks for a file has to hear of it. */
  #tellNameless(): void {
    const names = [...this.settings.opened.tree.children.values()].map(({ name }) => name).filter(isTemporaryName);
    const [first] = names;
    if (first === undefined) return;
    const more = names.length === 1 ? '' : ` and ${names.length - 1} more`;
    this.settings.warn(`The guest left files without a name; the directory keeps them as '${first}'${more}`);
  }

  /** Names take more room on a disk that is made of them than a guest may have given them. */
  #tellTooLarge(): void {
    const { opened, warn } = this.settings;
    try {
      expectFit(opened.tree, opened.request);
    } catch (error) {
      warn(`All that the guest wrote is in the directory, but it cannot be opened as the same kind of disk again: ${messageOf(error)}`);
    }
  }

  async #commit(): Promise<void> {
    if (!this.#changed) return;
    const { opened, overlay, host, budgetBytes, warn } = this.settings;
    try {
      await commit({
        ...opened, overlay, budgetBytes, ...this.#unfinished,
        random: (into) => { host.random(into); },
        read: (offset, length) => this.#view.bytes(offset, length),
      });
      this.#changed = false;
      this.#lastWarning = '';
    } catch (error) {
      // A guest only hears that its flush failed.
      const message = messageOf(error);
      if (message !== this.#lastWarning) warn(message);
      this.#lastWarning = message;
      throw error;
    }
  }
}

const ZEROES = new Uint8Array(1 << 18);
