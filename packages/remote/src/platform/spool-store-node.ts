/** Where a spool keeps its bytes in Node: in a temporary file that nobody else sees. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockError, systemError } from '@blk/core-graph';
import type { SpoolStore } from '../spool-store.js';

/** Bytes of a spool unless the options say otherwise. */
export const DEFAULT_CAP = 16 * 1024 * 1024 * 1024;

export async function openStore(): Promise<SpoolStore> {
  const folder = await mkdtemp(join(tmpdir(), 'blk-spool-')).catch(failed);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = await open(join(folder, 'spool'), 'wx+', 0o600).catch(async (error: unknown) => {
    await remove();
    return failed(error);
  });
  // Where that works, nothing is left behind even if the program is killed; elsewhere it happens at the end.
  await remove().catch(() => undefined);
  return {
    write: async (offset, bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, offset + at).catch(failed)).bytesWritten;
    },
    read: async (offset, buffer, start, length) => {
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(buffer, start + at, length - at, offset + at).catch(failed);
        if (bytesRead === 0) throw new BlockError('io', `The temporary file ends at ${offset + at}`);
        at += bytesRead;
      }
    },
    close: async () => {
      await file.close();
      await remove();
    },
  };
}

function failed(error: unknown): never {
  throw systemError('Could not use a temporary file', error);
}
