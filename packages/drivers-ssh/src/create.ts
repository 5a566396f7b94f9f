/** Making a file on a server, and taking one away in which no image could be made. */
import type { CreateContext } from '@blk/core-graph';
import { addressOf, type AddressOptions } from './address.js';
import { Connection, CONNECT_TIMEOUT } from './connection.js';
import type { SshDriverOptions } from './driver.js';
import { refused } from './errors.js';
import { RemoteFile } from './remote-file.js';
import { Surroundings } from './surroundings.js';

/** Makes a file of `size` bytes that read as zeroes, or empties one that is there. */
export async function createSsh(where: AddressOptions, size: number, context: CreateContext, own: SshDriverOptions): Promise<void> {
  await connected(where, own, context, async (connection, path) => {
    const file = await RemoteFile.open(connection, path, 'w');
    if (size > 0) await file.resize(size);
    await file.close();
  });
}

/** Removes a file. */
export async function removeSsh(where: AddressOptions, own: SshDriverOptions): Promise<void> {
  await connected(where, own, {}, (connection, path) =>
    connection
      .request<unknown>((done) => { connection.sftp.unlink(path, done as (error?: Error | null) => void); })
      .catch((error: unknown) => { throw refused(`failed to remove remote file '${path}'`, error); }),
  );
}

async function connected(
  where: AddressOptions,
  own: SshDriverOptions,
  { signal, host }: Partial<Pick<CreateContext, 'signal' | 'host'>>,
  work: (connection: Connection, path: string) => Promise<unknown>,
): Promise<void> {
  const address = addressOf(where);
  const connection = await Connection.open(address, new Surroundings(own), signal, { stallTimeout: CONNECT_TIMEOUT, ...(host === undefined ? {} : { clock: host }) });
  try {
    await work(connection, address.path);
  } finally {
    connection.close();
  }
}
