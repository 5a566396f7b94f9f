/** The driver values `http` and `https`: their options, and the file names that mean them. The protocol is loaded when an image is opened. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { SETTINGS, type RemoteOptions } from '@blk/remote';

export interface HttpDriverOptions {
  /** The proxy for a URL, as a URL of its own (`http://host:port`); undefined: none. Left out: there are no proxies. Not for browsers. */
  readonly proxy?: (url: URL) => string | undefined;
  /** Certificates (PEM) that are trusted instead of those that the platform trusts. Not for browsers. */
  readonly authorities?: string;
}

/** Options of a definition, checked for their types. */
export interface HttpOptions extends RemoteOptions {
  readonly sslverify?: boolean;
  readonly cookie?: string;
  readonly 'cookie-secret'?: string;
  readonly username?: string;
  readonly 'password-secret'?: string;
  readonly 'proxy-username'?: string;
  readonly 'proxy-password-secret'?: string;
}

export type Scheme = 'http' | 'https';

export function httpDrivers(options: HttpDriverOptions = {}): { readonly http: BlockDriver; readonly https: BlockDriver } {
  return { http: driverOf('http', options), https: driverOf('https', options) };
}

function driverOf(name: Scheme, settings: HttpDriverOptions): BlockDriver {
  return defineDriver<HttpOptions>({
    name,
    role: 'protocol',
    options: {
      ...SETTINGS,
      sslverify: { type: 'bool' },
      cookie: { type: 'string' },
      'cookie-secret': { type: 'string' },
      username: { type: 'string' },
      'password-secret': { type: 'string' },
      'proxy-username': { type: 'string' },
      'proxy-password-secret': { type: 'string' },
    },
    schemes: [name],
    parseFilename: (filename) => ({ url: filename }),
    open: async (options, context) => (await import('./open.js')).openHttp(name, options, context, settings),
  });
}
