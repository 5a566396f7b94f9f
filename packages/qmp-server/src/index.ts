/**
 * A QMP server: monitors, dispatch, events and the commands of the block layer.
 *
 * @packageDocumentation
 */
export { createServer, BlkServer, type AddDeviceOptions, type CloseOptions, type ListenOptions, type ServerOptions } from './server.js';
export { Monitor, type MonitorLimits, type MonitorOptions } from './monitor/monitor.js';
export type { StreamPair, Transport, TransportEvents } from './monitor/transport.js';
export type { SocketListener, SocketTarget } from './net/listen.js';
export type { PeerRule } from './net/peer.js';
export {
  Dispatcher,
  type CommandContext,
  type CommandGroup,
  type CommandHandler,
  type CommandWithDialect,
  type ForeignCommand,
} from './dispatch.js';
export { EventBus, EVENT_LIMITS, type EventBusOptions, type EventClock, type EventLimit, type QmpEvent } from './events.js';
export { Exports, type ExportEntry, type ExportRequest, type NbdStartOptions } from './exports/exports.js';
export { Objects, type SecretObject, type ServerObject, type ThrottleGroupObject, type TlsObject } from './objects.js';
export { limitsOfProperties } from './throttle-limits.js';
export { VERSION } from './version.js';
export { runDaemon } from './daemon/run.js';
export type { DaemonIo } from './daemon/io.js';
