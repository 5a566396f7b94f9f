/** A server on a unix socket in a temporary folder, and clients that go away with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NbdServer, type ExportOptions, type NbdServerOptions } from '../src/index.js';
import { TestClient } from './client.js';
import { MemorySource } from './source.js';

export interface TestServer extends AsyncDisposable {
  readonly server: NbdServer;
  readonly source: MemorySource;
  readonly path: string;
  client(): Promise<TestClient>;
}

/** Serves `size` bytes of memory as the export ''. */
export async function serveMemory(
  size: number,
  options: NbdServerOptions & { readonly export?: Partial<ExportOptions> } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'blk-nbd-'));
  const path = join(folder, 's');
  const { export: exported, ...serverOptions } = options;
  const server = new NbdServer(serverOptions);
  const source = new MemorySource(size);
  server.addExport({ name: '', source, writable: true, ...exported });
  await server.listen({ path });
  const clients: TestClient[] = [];
  return {
    server,
    source,
    path,
    client: async () => {
      const client = await TestClient.open({ path });
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await server.close({ force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Bytes that are all different enough, none of them zero. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = (state >>> 24) | 1;
  }
  return bytes;
}

/** Whether both hold the same bytes. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A promise and what settles it. */
export function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}
