/** The identifier of a disk's content: it changes with the first write after opening, so that children know whether their parent is the one they were made over. */
import { settled } from '@blk/cluster-map';
import type { Edge, Host } from '@blk/core-graph';
import { idText, NO_PARENT } from './descriptor.js';

/** Where the text lies in a file, in bytes. */
export interface DescriptorPlace {
  readonly file: Edge;
  readonly offset: number;
  /** How long it is; in a file of its own, all of that. */
  readonly bytes: Uint8Array;
  /** A file of its own, which may get longer. */
  readonly alone: boolean;
}

export class ContentId {
  #current: number;

  constructor(
    private readonly place: DescriptorPlace,
    current: number,
    private readonly host: Pick<Host, 'random'>,
  ) {
    this.#current = current;
  }

  get current(): number {
    return this.#current;
  }

  /** Before the first change: gives the content another identifier, on stable storage. */
  async begin(): Promise<void> {
    const { file, offset, bytes, alone } = this.place;
    const id = this.#random();
    const changed = withId(bytes, id);
    // A descriptor without an identifier stays as it is, and so does one whose place is full.
    if (changed === undefined || (changed.length > bytes.length && !alone)) return;
    if (changed.length > bytes.length && file.size < offset + changed.length) await file.node.truncate(offset + changed.length);
    await settled(file.write(offset, changed, 0, changed.length));
    await settled(file.flush());
    this.#current = id;
  }

  #random(): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.host.random(bytes);
      const id = new DataView(bytes.buffer).getUint32(0);
      // Neither of those that mean something else.
      if (id < NO_PARENT - 1 && id !== this.#current) return id;
    }
  }
}

/** The text with another identifier; what lies behind it moves where the old one is shorter or longer. */
function withId(bytes: Uint8Array, id: number): Uint8Array | undefined {
  const text = new TextDecoder('latin1').decode(bytes);
  const line = /^([ \t]*CID[ \t]*=[ \t]*)([0-9a-fA-F]{1,8})/m.exec(text);
  if (line === null) return undefined;
  const from = line.index + line[1].length;
  const to = from + line[2].length;
  const end = text.indexOf('\0') < 0 ? text.length : text.indexOf('\0');
  const used = end + 8 - line[2].length;
  const changed = new Uint8Array(Math.max(bytes.length, used));
  changed.set(bytes.subarray(0, from));
  changed.set(new TextEncoder().encode(idText(id)), from);
  changed.set(bytes.subarray(to, end), from + 8);
  return changed;
}
