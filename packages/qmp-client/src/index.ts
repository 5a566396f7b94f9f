/**
 * A client for QMP, typed by the schema of the block layer; it talks to QEMU's programs as well.
 *
 * @packageDocumentation
 */
export { QmpClient, type ExecuteOptions, type QmpClientOptions, type QmpGreeting } from './client.js';
export type { QmpAddress } from './connect.js';
export { QmpConnectionError, type ConnectionFailure } from './errors.js';
export type { AnyQmpEvent, QmpEvent, QmpTimestamp } from './events.js';
