/** The temporary overlay of `--snapshot`: what is written goes there, and is gone with the program. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockError, messageOf, systemError, type Backend, type BackendOptions, type BlockGraph, type BlockNode, type OpenOptions } from '@blk/core-graph';

/** Where others put large files that may go. */
const DEFAULT_FOLDER = '/var/tmp';

const SECTOR = 512;

/**
 * A backend over a new image above `below`, which is only read from then on. The file has no name any more when this resolves,
 * so nothing stays behind however the program ends. `below` stays its owner's to release.
 */
export async function openOverlay(graph: BlockGraph, below: BlockNode, options: OpenOptions & BackendOptions): Promise<Backend> {
  const folder = await temporaryFolder();
  const filename = join(folder, 'overlay');
  try {
    // A disk whose size is no whole number of sectors reads as zeroes up to the next one.
    await graph.create(filename, { format: 'qcow2', size: Math.ceil(below.size / SECTOR) * SECTOR });
    const definition = { driver: 'qcow2', file: { driver: 'file', filename }, backing: below };
    // Nobody will look for the data after a failure of the host.
    return await graph.openBackend(definition, { ...options, cache: { noFlush: true } });
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Could not create temporary overlay '${filename}': ${messageOf(error)}`, error.context, error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryFolder(): Promise<string> {
  const parent = process.env['TMPDIR'] ?? DEFAULT_FOLDER;
  try {
    return await mkdtemp(join(parent, 'blk-'));
  } catch (error) {
    throw systemError(`Could not create a temporary file in '${parent}'`, error, { filename: parent });
  }
}
