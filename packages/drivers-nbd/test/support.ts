/** Servers for the driver: ours over memory, and qemu-nbd over a file. */
import { writeFileSync } from 'node:fs';
import type { BlockError, ChainExtent, Completion } from '@blk/core-graph';
import { NbdServer, type ExportSource, type NbdServerOptions } from '@blk/nbd';
import { startQemuNbd, tempDir } from '@blk/oracle';

/** A disk in memory, as an export takes it. Discarded ranges keep their bytes. */
export class MemoryDisk implements ExportSource {
  readOnly = false;
  /** While set, reads and writes wait for it. */
  gate: Promise<void> | undefined;
  failure: BlockError | undefined;

  constructor(public bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.length;
  }
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#run(() => { buffer.set(this.bytes.subarray(offset, offset + length), start); });
  }
  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.#run(() => { this.bytes.set(buffer.subarray(start, start + length), offset); });
  }
  writeZeroes(offset: number, length: number): Completion {
    return this.#run(() => { this.bytes.fill(0, offset, offset + length); });
  }
  discard(): void {}
  flush(): void {}
  async *extents(offset: number, length: number): AsyncIterable<ChainExtent> {
    for (let at = offset; at < offset + length; ) {
      const end = Math.min(offset + length, (Math.floor(at / BLOCK) + 1) * BLOCK);
      const zero = this.bytes.subarray(at, end).every((byte) => byte === 0);
      yield { offset: at, length: end - at, data: !zero, zero, allocated: true, compressed: false, hostOffset: at, depth: 0 };
      at = end;
    }
  }

  #run(work: () => void): Completion {
    const { gate } = this;
    const now = (): void => {
      if (this.failure !== undefined) throw this.failure;
      work();
    };
    return gate === undefined ? now() : gate.then(now);
  }
}

const BLOCK = 4096;

export interface Served extends AsyncDisposable {
  readonly server: NbdServer;
  readonly path: string;
  close(): Promise<void>;
}

/** Our server over a disk in memory, as the export `disk`. */
export async function serve(disk: ExportSource, options: NbdServerOptions & { readonly multiConn?: boolean } = {}, path?: string): Promise<Served> {
  const { multiConn = true, ...rest } = options;
  const dir = path === undefined ? tempDir() : undefined;
  const place = path ?? dir?.file('s') ?? '';
  const server = new NbdServer(rest);
  server.addExport({ name: 'disk', source: disk, writable: !disk.readOnly, multiConn });
  await server.listen({ path: place });
  const close = async (): Promise<void> => {
    await server.close({ force: true });
    dir?.[Symbol.dispose]();
  };
  return { server, path: place, close, [Symbol.asyncDispose]: close };
}

/** qemu-nbd over a file with this content. */
export async function serveByQemu(content: Uint8Array): Promise<{ readonly path: string; close(): Promise<void> }> {
  const dir = tempDir();
  writeFileSync(dir.file('a'), content);
  const server = await startQemuNbd({ file: dir.file('a'), socket: dir.file('s'), exportName: 'disk', args: ['--discard=unmap'] });
  return {
    path: dir.file('s'),
    close: async () => {
      await server.stop();
      dir[Symbol.dispose]();
    },
  };
}
