/** The external data file: which one belongs to an image, and whether it may be opened. */
import { BlockError, type Edge, type OpenContext } from '@blk/core-graph';
import { argumentError } from './errors.js';
import type { Header } from './header.js';

export type DataFileContext = Pick<OpenContext, 'child' | 'policy' | 'noIo'>;

/**
 * Opens the data file that the caller names, or else the recorded one, which the policy must allow. As with the reference
 * tools, a recorded relative name counts from the working directory. Undefined: the image has none, or nobody will ask for
 * data. `from` is the image's own name.
 */
export async function openDataFile(header: Header, reference: unknown, from: string, context: DataFileContext): Promise<Edge | undefined> {
  if (!header.geometry.external) {
    if (reference !== undefined) throw argumentError("'data-file' can only be set for images with an external data file");
    return undefined;
  }
  if (reference !== undefined) return context.child('data-file', reference, 'data');
  if (context.noIo) return undefined;
  const { dataFile } = header;
  if (dataFile === undefined || dataFile === '') throw argumentError("'data-file' is required for this image");
  if (dataFile.startsWith('json:') || !context.policy.allowReference(dataFile, 'data-file', from)) {
    throw new BlockError('policy', `The policy for this image does not allow its data file '${dataFile}'`, { driver: 'qcow2' });
  }
  return context.child('data-file', { filename: dataFile }, 'data');
}
