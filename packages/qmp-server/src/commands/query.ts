/** What the server is and can do. */
import { introspection } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { VERSION } from '../version.js';

/** The events that the server sends; each with the place that sends it. */
const EVENTS = ['BLOCK_IMAGE_CORRUPTED', 'BLOCK_IO_ERROR', 'BLOCK_WRITE_THRESHOLD', 'SHUTDOWN', 'STOP', 'RESUME', 'DEVICE_TRAY_MOVED'];

export const query: CommandGroup = {
  'query-version': () => VERSION,

  'query-commands': (_args, { server }) => server.dispatcher.names.map((name) => ({ name })),

  'query-events': () => EVENTS.map((name) => ({ name })),

  'query-qmp-schema': (_args, { server }) => introspection({ commands: server.dispatcher.names, events: EVENTS }),
};
