/** The protocol driver `memory`: disks in memory, by object or by name (`memory:base`). */
import { BlockError, defineDriver, WriteFlag, type BlockDriver, type DriverNode } from '@blk/core-graph';
import { MemoryDisk, type MemoryDiskOptions } from './memory-disk.js';

interface MemoryOptions {
  readonly disk?: unknown;
  readonly filename?: string;
}

/** A set of named disks and the driver that opens them; each test has its own. */
export class MemoryDisks {
  readonly #disks = new Map<string, MemoryDisk>();

  /** Driver `memory`: `{ driver: 'memory', disk }`, or `memory:NAME`, which `create` can make. */
  readonly driver: BlockDriver = defineDriver<MemoryOptions>({
    name: 'memory',
    role: 'protocol',
    options: { disk: { type: 'any' }, filename: { type: 'string' } },
    schemes: ['memory'],
    parseFilename: (filename) => ({ filename }),
    open: async (options, context) => {
      const disk = options.disk instanceof MemoryDisk ? options.disk : this.get(nameOf(options.filename ?? ''));
      return memoryNode(disk, options.filename ?? 'memory:', context.readOnly);
    },
    createFile: async (filename, { size }) => {
      const name = nameOf(filename);
      const disk = this.#disks.get(name) ?? this.put(name);
      for (const to of [0, size]) {
        const done = disk.truncate(to);
        if (done !== undefined) await done;
      }
    },
  });

  /** The disk of this name. Throws kind `not-found`. */
  get(name: string): MemoryDisk {
    const disk = this.#disks.get(name);
    if (!disk) throw new BlockError('not-found', `Could not open 'memory:${name}': No such file or directory`);
    return disk;
  }

  /** Puts a disk under a name, in place of one that was there. */
  put(name: string, disk: MemoryDisk | MemoryDiskOptions = {}): MemoryDisk {
    const value = disk instanceof MemoryDisk ? disk : new MemoryDisk(disk);
    this.#disks.set(name, value);
    return value;
  }
}

function nameOf(filename: string): string {
  return filename.startsWith('memory:') ? filename.slice('memory:'.length) : filename;
}

function memoryNode(disk: MemoryDisk, filename: string, readOnly: boolean): DriverNode {
  const { without } = disk;
  const can = (verb: string): boolean => !without.has(verb);
  const changes = !readOnly && can('write');
  return {
    get size() {
      return disk.size;
    },
    limits: disk.limits,
    growable: disk.growable,
    zeroFlags: WriteFlag.MayUnmap,
    filename,
    read: (offset, buffer, start, length) => disk.read(offset, buffer, start, length),
    ...(changes && {
      write: (offset: number, buffer: Uint8Array, start: number, length: number, flags: number) =>
        disk.write(offset, buffer, start, length, flags),
    }),
    ...(changes &&
      can('writeZeroes') && {
        writeZeroes: (offset: number, length: number, flags: number) =>
          disk.writeZeroes(offset, length, flags, (flags & WriteFlag.MayUnmap) !== 0),
      }),
    ...(changes && can('discard') && { discard: (offset: number, length: number) => disk.discard(offset, length) }),
    ...(can('flush') && { flush: () => disk.flush() }),
    ...(can('extent') && { extent: (offset: number, length: number) => disk.extent(offset, length) }),
    ...(changes &&
      can('truncate') && {
        truncate: async (size: number) => {
          const done = disk.truncate(size);
          if (done !== undefined) await done;
        },
      }),
    allocatedSize: () => disk.content.allocated,
    close: () => Promise.resolve(),
  };
}
