/** The driver value `nbd`: its options, and the file names that mean it. The protocol is loaded when an image is opened. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import type { ClientCredentials } from '@blk/nbd';
import { parseNbdName, type AddressOptions } from './address.js';

export interface NbdDriverOptions {
  /** The TLS credentials that the option `tls-creds` names. Left out: those of the graph. */
  readonly credentials?: (id: string) => Promise<ClientCredentials>;
}

export interface NbdOptions extends AddressOptions {
  readonly 'tls-creds'?: string;
  readonly 'tls-hostname'?: string;
  readonly 'reconnect-delay'?: number;
  readonly 'open-timeout'?: number;
  readonly timeout?: number;
  readonly connections?: number;
  /** Of a `nbds:` name: encrypted, with a certificate that the system trusts. */
  readonly tls?: boolean;
}

export function nbdDriver({ credentials }: NbdDriverOptions = {}): BlockDriver {
  return defineDriver<NbdOptions>({
    name: 'nbd',
    role: 'protocol',
    options: {
      server: { type: 'any' },
      export: { type: 'string' },
      path: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'any' },
      'tls-creds': { type: 'string' },
      'tls-hostname': { type: 'string' },
      'reconnect-delay': { type: 'uint' },
      'open-timeout': { type: 'uint' },
      timeout: { type: 'uint' },
      connections: { type: 'uint' },
      tls: { type: 'bool' },
    },
    schemes: ['nbd', 'nbd+tcp', 'nbd+unix', 'nbds', 'nbds+tcp', 'nbds+unix'],
    parseFilename: parseNbdName,
    open: async (options, context) => (await import('./open.js')).openNbd(options, context, credentials),
  });
}

/** The driver with the credentials for TLS that the graph knows. */
export const nbd = nbdDriver();
