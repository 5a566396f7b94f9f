/** A server that lets everybody in and then does as a test likes, by the library's own other half. */
import { generateKeyPairSync } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import ssh2, { type Connection as Peer, type SFTPWrapper } from 'ssh2';

const { Server } = ssh2;
/** Node's own: of those that the library makes, one in 150 is none that it can read. */
const HOST_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }).toString();

export interface Liar extends AsyncDisposable {
  readonly port: number;
  /** Connections that were made so far. */
  count: number;
}

/** `subsystem` is told of every one that is asked for; undefined: none is ever granted. */
export async function startLiar(subsystem?: (sftp: SFTPWrapper, peer: Peer) => void, address = '127.0.0.1'): Promise<Liar> {
  const peers = new Set<Peer>();
  const server = new Server({ hostKeys: [HOST_KEY] }, (peer) => {
    liar.count++;
    peers.add(peer);
    peer.on('error', () => undefined).on('close', () => peers.delete(peer));
    peer.on('authentication', (context) => { context.accept(); });
    peer.on('session', (accept) => {
      const session = accept();
      if (subsystem === undefined) session.on('subsystem', () => undefined);
      else session.on('sftp', (acceptSftp) => { subsystem(acceptSftp(), peer); });
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, address, resolve); });
  const liar: Liar = {
    port: (server.address() as AddressInfo).port,
    count: 0,
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.end();
      await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
    },
  };
  return liar;
}

/** Opens everything, as a file of so many bytes. */
export function polite(sftp: SFTPWrapper, size: number): SFTPWrapper {
  return sftp
    .on('OPEN', (id) => { sftp.handle(id, Buffer.of(1)); })
    .on('FSTAT', (id) => { sftp.attrs(id, { size, mode: 0o100_644, uid: 0, gid: 0, atime: 0, mtime: 0 }); })
    .on('CLOSE', (id) => { sftp.status(id, 0); });
}
