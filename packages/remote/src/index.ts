/**
 * What clients of other machines share: reading ahead, spooling, trying again, and knowing when a server hangs.
 *
 * @packageDocumentation
 */
export { checkReadable, checkSettings, checkUrl, decodedBytes, decodedPart, openingError, SETTINGS, type RemoteOptions, type RemoteSettings } from './settings.js';
export { networkError, tlsReason } from './network-error.js';
export { Patience, type PatienceOptions } from './patience.js';
export { ReadAhead, type RangeSource } from './read-ahead.js';
export { RemoteNode, type RemoteFile } from './node.js';
export { StallWatch, type Sending, type StallWatchOptions } from './stall-watch.js';
export { Spool, type SpoolOptions } from './spool.js';
export { timeLimit } from './time-limit.js';
export { printable, withoutPassword } from './words.js';
export { Watchdog, type WatchdogOptions } from './watchdog.js';
