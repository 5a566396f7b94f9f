/**
 * What drivers of files on other machines share: reading ahead, spooling, and trying again.
 *
 * @packageDocumentation
 */
export { checkReadable, checkSettings, checkUrl, decodedBytes, decodedPart, openingError, SETTINGS, type RemoteOptions, type RemoteSettings } from './settings.js';
export { networkError } from './network-error.js';
export { Patience, type PatienceOptions } from './patience.js';
export { ReadAhead, type RangeSource } from './read-ahead.js';
export { RemoteNode, type RemoteFile } from './node.js';
export { Spool, type SpoolOptions } from './spool.js';
export { printable, withoutPassword } from './words.js';
export { Watchdog, type WatchdogOptions } from './watchdog.js';
