/** The driver value `archipelago`: its options, and the file names that mean it. What speaks to a cluster is loaded when a volume is opened or made. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { parseArchipelagoName, type PlaceOptions } from './place.js';
import type { OpenTransport } from './transport.js';

/** How the cluster is reached; each left out: by the libxseg of this machine. */
export interface ArchipelagoDriverOptions {
  /** Path or name of libxseg. Left out: the one that the system's linker finds. */
  readonly library?: string;
  /** Another way to the mapper and the composer; libxseg is then not looked for. */
  readonly transport?: OpenTransport;
}

export function archipelagoDriver(own: ArchipelagoDriverOptions = {}): BlockDriver {
  return defineDriver<PlaceOptions>({
    name: 'archipelago',
    role: 'protocol',
    options: {
      volume: { type: 'string' },
      mport: { type: 'uint' },
      vport: { type: 'uint' },
      segment: { type: 'string' },
      filename: { type: 'string' },
    },
    schemes: ['archipelago'],
    parseFilename: (filename) => ({ ...parseArchipelagoName(filename) }),
    open: async (options, context) => (await import('./open.js')).openArchipelago(options, context, own),
    createOptions: {},
    createFile: async (filename, { size }, context) => (await import('./create.js')).createArchipelago(parseArchipelagoName(filename), size, context, own),
    removeFile: async (filename) => (await import('./create.js')).removeArchipelago(parseArchipelagoName(filename), own),
  });
}

/** The driver with the libxseg of this machine. */
export const archipelago = archipelagoDriver();
