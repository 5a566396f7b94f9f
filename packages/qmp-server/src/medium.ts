/** Media of devices: every device has a tray, as a drive for discs has one; no guest locks it. */
import type { Backend, BlockGraph, BlockNode } from '@blk/core-graph';
import type { BlockdevChangeReadOnlyMode } from '@blk/qapi-types';
import { openLocked } from './blockdev.js';
import { genericError } from './errors.js';
import type { EventBus } from './events.js';
import type { Exports } from './exports/exports.js';

export class Media {
  readonly #open = new WeakSet<Backend>();
  /** Whether media are inserted read-only where nobody says; as the first one was. */
  readonly #readOnly = new WeakMap<Backend, boolean>();

  constructor(
    private readonly graph: BlockGraph,
    private readonly events: EventBus,
    private readonly exports: Exports,
  ) {}

  trayOpen(device: Backend): boolean {
    return this.#open.has(device);
  }

  moveTray(device: Backend, open: boolean): void {
    if (open === this.#open.has(device)) return;
    if (open) this.#open.add(device);
    else this.#open.delete(device);
    this.events.emit('DEVICE_TRAY_MOVED', { device: device.name, 'tray-open': open });
  }

  /** Moves the tray of the device, and the one of the host's drive where what is in the device comes out of one. */
  async moveTrays(device: Backend, open: boolean): Promise<void> {
    const drive = device.edge === undefined ? undefined : driveBelow(device.edge.node);
    if (drive !== undefined) {
      // One that is locked, or broken, keeps both as they are.
      await drive.driver.medium?.moveTray(open);
      drive.resized();
    }
    this.moveTray(device, open);
  }

  async eject(device: Backend): Promise<void> {
    this.moveTray(device, true);
    await this.remove(device);
  }

  /** Takes the medium out. What is given out of it over NBD ends. */
  async remove(device: Backend): Promise<void> {
    this.#checkOpen(device);
    if (device.edge === undefined) return;
    const { root, readOnly } = device;
    this.graph.checkFree(root);
    this.#readOnly.set(device, readOnly);
    await this.exports.withdraw(device);
    if (!readOnly) {
      const flushed = root.flush();
      if (flushed !== undefined) await flushed;
    }
    await device.detach();
    device.onResize?.();
  }

  /** Puts a node in. */
  insert(device: Backend, node: BlockNode): void {
    this.#checkOpen(device);
    if (device.edge !== undefined) throw genericError(`There already is a medium in device '${device.name}'`);
    device.insert(node);
  }

  /** Exchanges the medium for a file. The one before goes only when the next one is open. */
  async change(
    device: Backend,
    filename: string,
    { format, mode = 'retain' }: { readonly format?: string | undefined; readonly mode?: BlockdevChangeReadOnlyMode | undefined } = {},
  ): Promise<void> {
    const retained = device.edge === undefined ? this.#readOnly.get(device) ?? false : device.readOnly;
    const readOnly = mode === 'retain' ? retained : mode === 'read-only';
    if (format !== undefined && !this.graph.drivers.has(format)) throw genericError(`Unknown driver '${format}'`);
    const node = await openLocked((noIo) => this.graph.open(filename, { readOnly, noIo, ...(format === undefined ? {} : { format }) }));
    try {
      await this.eject(device);
      this.insert(device, node);
      this.moveTray(device, false);
    } finally {
      await this.graph.release(node);
    }
  }

  #checkOpen(device: Backend): void {
    if (!this.#open.has(device)) throw genericError(`Tray of device '${device.name}' is not open`);
  }
}

/** The host's drive that an image comes out of. */
function driveBelow(top: BlockNode): BlockNode | undefined {
  let node: BlockNode | undefined = top;
  while (node !== undefined && node.driver.medium === undefined) node = node.children.get('file')?.node;
  return node;
}
