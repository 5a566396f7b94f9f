/** The header as it is in the file, and changes of it. */
import { settled } from '@blk/cluster-map';
import type { Edge, RecordedBacking } from '@blk/core-graph';
import { wishError } from './errors.js';
import { Feature, hasName, HEADER_BYTES, headerBytesOf, MAX_NAME, parseHeader, type QedHeader } from './header.js';

export class HeaderFile {
  private constructor(
    private readonly file: Edge,
    public current: QedHeader,
    public backing: RecordedBacking | undefined,
  ) {}

  static async open(file: Edge): Promise<HeaderFile> {
    const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
    await settled(file.read(0, bytes, 0, bytes.length));
    const header = parseHeader(bytes, file.size);
    return new HeaderFile(file, header, await readBacking(file, header));
  }

  get needsCheck(): boolean {
    return (this.current.features & Feature.NeedCheck) !== 0;
  }

  /** Written, and on stable storage when it is done. */
  async change(changes: Partial<QedHeader>): Promise<void> {
    const changed = { ...this.current, ...changes };
    const bytes = headerBytesOf(changed);
    await settled(this.file.write(0, bytes, 0, bytes.length));
    await settled(this.file.flush());
    this.current = changed;
  }

  /** Says whether a check is needed before the image is used again. */
  async markDirty(dirty: boolean): Promise<void> {
    if (this.needsCheck === dirty) return;
    const { features } = this.current;
    await this.change({ features: dirty ? features | Feature.NeedCheck : features & ~Feature.NeedCheck });
  }

  async changeBacking(backing: RecordedBacking | undefined): Promise<void> {
    const name = new TextEncoder().encode(backing?.filename ?? '');
    const { headerBytes, features } = this.current;
    if (name.length > Math.min(MAX_NAME, headerBytes - HEADER_BYTES)) throw wishError('Backing file name is too long for the header');
    const others = features & ~(Feature.BackingFile | Feature.BackingRaw);
    const bits = backing === undefined ? 0 : Feature.BackingFile | (backing.format === 'raw' ? Feature.BackingRaw : 0);
    // At no moment does the header name half a file.
    if (hasName(this.current)) await this.change({ features: others, nameSize: 0 });
    if (name.length > 0) await settled(this.file.write(HEADER_BYTES, name, 0, name.length));
    await this.change({ features: others | bits, nameOffset: HEADER_BYTES, nameSize: name.length });
    this.backing = backing;
  }
}

async function readBacking(file: Edge, header: QedHeader): Promise<RecordedBacking | undefined> {
  if (!hasName(header)) return undefined;
  const bytes = new Uint8Array(header.nameSize);
  await settled(file.read(header.nameOffset, bytes, 0, bytes.length));
  const filename = new TextDecoder().decode(bytes);
  return (header.features & Feature.BackingRaw) === 0 ? { filename } : { filename, format: 'raw' };
}
