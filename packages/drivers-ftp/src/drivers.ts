/** The driver values `ftp` and `ftps`: their options, and the file names that mean them. The protocol is loaded when an image is opened. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { SETTINGS, type RemoteOptions } from '@blk/remote';

export interface FtpDriverOptions {
  /** Certificates (PEM) that are trusted instead of those that Node trusts. */
  readonly authorities?: string;
}

/** Options of a definition, checked for their types. */
export interface FtpOptions extends RemoteOptions {
  readonly username?: string;
  readonly 'password-secret'?: string;
  readonly sslverify?: boolean;
  readonly 'auth-tls'?: boolean;
}

export type Scheme = 'ftp' | 'ftps';

export function ftpDrivers(options: FtpDriverOptions = {}): { readonly ftp: BlockDriver; readonly ftps: BlockDriver } {
  return { ftp: driverOf('ftp', options), ftps: driverOf('ftps', options) };
}

function driverOf(name: Scheme, settings: FtpDriverOptions): BlockDriver {
  return defineDriver<FtpOptions>({
    name,
    role: 'protocol',
    options: {
      ...SETTINGS,
      username: { type: 'string' },
      'password-secret': { type: 'string' },
      sslverify: { type: 'bool' },
      'auth-tls': { type: 'bool' },
    },
    schemes: [name],
    parseFilename: (filename) => ({ url: filename }),
    open: async (options, context) => (await import('./open.js')).openFtp(name, options, context, settings),
  });
}
