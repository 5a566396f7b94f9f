/** What the server is and can do. */
import { introspection } from '@blk/qapi-types';
import { OUT_OF_BAND, type CommandGroup } from '../dispatch.js';
import { VERSION } from '../version.js';

/** The events that the server sends; each with the place that sends it. */
const EVENTS = [
  'BLOCK_EXPORT_DELETED',
  'BLOCK_IMAGE_CORRUPTED',
  'BLOCK_IO_ERROR',
  'BLOCK_JOB_CANCELLED',
  'BLOCK_JOB_COMPLETED',
  'BLOCK_JOB_ERROR',
  'BLOCK_JOB_PENDING',
  'BLOCK_JOB_READY',
  'BLOCK_WRITE_THRESHOLD',
  'DEVICE_TRAY_MOVED',
  'JOB_STATUS_CHANGE',
  'QUORUM_FAILURE',
  'QUORUM_REPORT_BAD',
  'RESUME',
  'SHUTDOWN',
  'STOP',
];

export const query: CommandGroup = {
  'query-version': () => VERSION,

  'query-commands': (_args, { server }) => server.dispatcher.names.map((name) => ({ name })),

  'query-events': () => EVENTS.map((name) => ({ name })),

  'query-qmp-schema': (_args, { server }) => introspection({ commands: server.dispatcher.names, events: EVENTS, outOfBand: OUT_OF_BAND }),
};
