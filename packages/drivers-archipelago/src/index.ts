/**
 * The protocol driver archipelago: volumes of an Archipelago cluster as images.
 *
 * @packageDocumentation
 */
export { archipelago, archipelagoDriver, type ArchipelagoDriverOptions } from './driver.js';
export type { OpenTransport, XsegReply, XsegRequest, XsegTransport } from './transport.js';
