/** Requests about one file: where it is by now, who asks for it, and what is told to whom. */
import { printable, withoutPassword } from '@blk/remote';
import type { Credentials } from './credentials.js';
import { httpError, statusError } from './errors.js';
import type { HttpResponse, Transport } from './transport.js';
import { parseUrl, withoutUser } from './url.js';

export interface ClientSettings {
  readonly transport: Transport;
  /** Without user and password. */
  readonly url: URL;
  readonly credentials: Credentials | undefined;
  /** Value of `Cookie`. */
  readonly cookie: string | undefined;
}

/** Redirects in a row. */
const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Challenges in a row: one for the scheme, one for a nonce that has grown old. */
const MAX_CHALLENGES = 2;
/** Answers of a place that may have been a temporary one. */
const GONE: ReadonlySet<number> = new Set([401, 403, 404, 410]);

export class HttpClient {
  /** Where redirects led; later requests begin there. */
  #place: URL;

  constructor(private readonly settings: ClientSettings) {
    this.#place = settings.url;
  }

  get transport(): Transport {
    return this.settings.transport;
  }

  /**
   * A GET; redirects are followed and challenges are met. Answers with 200, 206 or 416; any other status is thrown. `signal` ends the
   * answer too.
   */
  async get(headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpResponse> {
    let url = this.#place;
    for (let redirects = 0, challenges = 0; ; ) {
      const response = await this.settings.transport.send({ url, headers: { ...headers, ...(await this.#privately(url)) }, signal });
      const { status } = response;
      if (status === 200 || status === 206 || status === 416) {
        this.#place = url;
        return response;
      }
      response.cancel();
      if (REDIRECTS.has(status)) {
        if (++redirects > MAX_REDIRECTS) throw httpError('invalid-argument', 'redirects', `Maximum (${MAX_REDIRECTS}) redirects followed`);
        url = nextPlace(url, response.header('location'));
      } else if (status !== 401 || !this.#isOurs(url) || ++challenges > MAX_CHALLENGES || !this.#meet(response)) {
        throw this.#refused(url, status);
      }
    }
  }

  /** What only the server may know that was named, and none that it sends us to. */
  async #privately(url: URL): Promise<Record<string, string>> {
    if (!this.#isOurs(url)) return {};
    const { credentials, cookie } = this.settings;
    const authorization = await credentials?.header(url);
    return { ...(authorization === undefined ? {} : { authorization }), ...(cookie === undefined ? {} : { cookie }) };
  }

  #isOurs(url: URL): boolean {
    return url.origin === this.settings.url.origin;
  }

  #meet(response: HttpResponse): boolean {
    return this.settings.credentials?.challenge(response.header('www-authenticate')) ?? false;
  }

  /** A place that redirects led to may be good for some time only: the next attempt begins where the first one did. */
  #refused(url: URL, status: number): Error {
    const { url: first } = this.settings;
    if (!GONE.has(status) || this.#place === first || url !== this.#place) return statusError(status);
    this.#place = first;
    return httpError('io', 'moved', `The place that the server had sent us to has gone (error: ${status})`);
  }
}

function nextPlace(from: URL, location: string | undefined): URL {
  const url = location === undefined ? undefined : parseUrl(location, from);
  if (url === undefined) throw httpError('invalid-argument', 'location', `A redirect leads to no URL: '${printable(withoutPassword(location ?? ''))}'`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw httpError('policy', 'location', `A redirect leads to another protocol: '${url.protocol.slice(0, -1)}'`);
  }
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw httpError('policy', 'location', `A redirect leads from https to http, where nobody could vouch for the content: '${url.host}'`);
  }
  return withoutUser(url);
}
