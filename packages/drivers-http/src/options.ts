/** What the options say about the place of the file and about who asks for it. Throws in the words of QEMU where it has some. */
import { BlockError, type OpenContext } from '@blk/core-graph';
import { checkUrl, decodedPart, withoutPassword } from '@blk/remote';
import { basic } from './credentials.js';
import type { HttpDriverOptions, HttpOptions, Scheme } from './drivers.js';
import type { ProxyServer, TransportOptions } from './transport.js';
import { parseUrl } from './url.js';

export interface Password {
  readonly username: string;
  readonly password: string;
}

type Secrets = Pick<OpenContext, 'secret'>;

export function urlOf(driver: Scheme, options: HttpOptions): URL {
  const text = checkUrl(driver, options);
  const url = parseUrl(text);
  if (url === undefined || url.hostname === '') throw invalid(`The URL '${withoutPassword(text)}' cannot be read`);
  return url;
}

/** Value of the header, from either option. */
export async function cookieOf(options: HttpOptions, context: Secrets): Promise<string | undefined> {
  const { cookie, 'cookie-secret': id } = options;
  if (cookie !== undefined && id !== undefined) throw invalid('curl driver cannot handle both cookie and cookie secret');
  return checkHeader('cookie', id === undefined ? cookie : await secretText(context, id));
}

/** From the options, or else from the URL. */
export async function passwordOf(options: HttpOptions, url: URL, context: Secrets): Promise<Password | undefined> {
  const { username = decodedPart(url.username), 'password-secret': id } = options;
  const password = id === undefined ? decodedPart(url.password) : await secretText(context, id);
  return username === '' ? undefined : { username, password };
}

/** The proxies `given`, and what they are told about who asks: the options, or else what their URLs say. */
export async function proxiesOf(options: HttpOptions, given: HttpDriverOptions['proxy'], context: Secrets): Promise<TransportOptions['proxyFor']> {
  const { 'proxy-username': name, 'proxy-password-secret': id } = options;
  const secret = id === undefined ? undefined : await secretText(context, id);
  return (url) => {
    const text = given?.(url);
    return text === undefined ? undefined : proxyOf(text, name, secret);
  };
}

function proxyOf(text: string, name: string | undefined, secret: string | undefined): ProxyServer {
  const url = parseUrl(text);
  if (url === undefined) throw invalid(`The URL of the proxy cannot be read: '${withoutPassword(text)}'`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new BlockError('unsupported', `Proxies of the kind '${url.protocol.slice(0, -1)}' are not supported`, { driver: 'http' });
  }
  const username = name ?? decodedPart(url.username);
  return { url, authorization: username === '' ? undefined : basic(username, secret ?? decodedPart(url.password)) };
}

async function secretText(context: Secrets, id: string): Promise<string> {
  return new TextDecoder().decode(await context.secret(id));
}

function checkHeader(name: string, value: string | undefined): string | undefined {
  // Anything else would be headers of its own.
  if (value !== undefined && !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw invalid(`The ${name} has characters that cannot be sent`);
  return value;
}

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'http' });
}
