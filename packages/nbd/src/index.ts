/**
 * The Network Block Device protocol: codec, client and server.
 *
 * @packageDocumentation
 */
export * from './codec/constants.js';
export * from './codec/handshake.js';
export * from './codec/transmission.js';
export * from './codec/option-replies.js';
export { NbdErrno, errnoOfNbd, nbdErrnoOf } from './codec/errno.js';
export { NBD_PORT, nbdUri, type NbdAddress } from './codec/uri.js';
export { NbdServer, type NbdServerEvents, type NbdServerOptions, type RemoveMode } from './server/server.js';
export { NbdExport, type ExportOptions, type ExportSource } from './server/export.js';
export type { Connection } from './server/connection.js';
export { DEFAULT_LIMITS, type NbdLimits } from './server/limits.js';
export type { ListenTarget } from './server/listener.js';
export {
  allocationContext,
  allocationDepthContext,
  dirtyBitmapContext,
  type MetaContext,
  type StatusRun,
} from './server/meta-context.js';
export {
  loadAnonymous,
  loadPsk,
  loadX509,
  upgrade as upgradeToTls,
  type AnonymousCredentials,
  type NbdTls,
  type PskCredentials,
  type TlsCredentials,
  type X509Credentials,
  type X509Options,
} from './server/tls.js';
export { NbdClient, listExports, type NbdClientOptions, type WriteOptions } from './client/client.js';
export { describeAddress } from './client/channel.js';
export { FLAG_WORDS, type ListedExport, type Negotiated } from './client/negotiate.js';
export type { StatusRuns } from './client/request.js';
export { loadClientPsk, loadClientX509, secure as connectTls, type ClientCredentials, type ClientTls } from './client/tls.js';
export { loadTlsObject, type TlsObjectCredentials, type TlsObjectOptions } from './tls-object.js';
