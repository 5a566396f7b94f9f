/** User and password towards a server: sent as soon as it has said how it wants them. Basic (RFC 7617) and Digest (RFC 7616). */
import { parseChallenges, type Challenge } from './challenge.js';
import type { HashName, Transport } from './transport.js';

const HASHES: ReadonlyMap<string, HashName> = new Map([['md5', 'MD5'], ['sha-256', 'SHA-256']]);

export class Credentials {
  #digest: Challenge | undefined;
  #basic = false;
  /** Requests made with the nonce so far. */
  #count = 0;

  constructor(
    private readonly username: string,
    private readonly password: string,
    private readonly transport: Pick<Transport, 'hash' | 'hashes'>,
  ) {}

  /** Value of `Authorization` for a GET of `url`; undefined while the server has not asked. */
  async header(url: URL): Promise<string | undefined> {
    if (this.#digest !== undefined) return this.#answer(this.#digest, url.pathname + url.search);
    return this.#basic ? basic(this.username, this.password) : undefined;
  }

  /** Takes the header of a 401. Whether it is worth another try: not where the same answer was refused already. */
  challenge(header: string | undefined): boolean {
    // Browsers hide the header from pages of other origins.
    const challenges = header === undefined ? [{ scheme: 'basic', parameters: {} }] : parseChallenges(header);
    const digest = challenges.find((challenge) => challenge.scheme === 'digest' && this.#isPossible(challenge));
    if (digest !== undefined) {
      const again = this.#digest === undefined || digest.parameters['stale']?.toLowerCase() === 'true';
      this.#digest = digest;
      this.#count = 0;
      return again;
    }
    const again = !this.#basic && challenges.some(({ scheme }) => scheme === 'basic');
    this.#basic ||= again;
    return again;
  }

  #isPossible({ parameters: { algorithm = 'MD5', qop } }: Challenge): boolean {
    const name = hashOf(algorithm);
    return name !== undefined && this.transport.hashes.includes(name) && (qop === undefined || qop.split(',').some((word) => word.trim().toLowerCase() === 'auth'));
  }

  async #answer({ parameters }: Challenge, uri: string): Promise<string | undefined> {
    const { realm = '', nonce = '', opaque, algorithm = 'MD5', qop } = parameters;
    const name = hashOf(algorithm) ?? 'MD5';
    const nc = (++this.#count).toString(16).padStart(8, '0');
    const cnonce = Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    const hash = (...parts: readonly string[]): Promise<string> => this.transport.hash(name, parts.join(':'));
    let secret = await hash(this.username, realm, this.password);
    if (/-sess$/i.test(algorithm)) secret = await hash(secret, nonce, cnonce);
    const about = await hash('GET', uri);
    const response = qop === undefined ? await hash(secret, nonce, about) : await hash(secret, nonce, nc, cnonce, 'auth', about);
    const quoted = { username: this.username, realm, nonce, uri, response, ...(opaque === undefined ? {} : { opaque }), cnonce };
    const words = Object.entries(quoted).map(([key, value]) => `${key}="${value.replace(/[\\"]/g, '\\$&')}"`);
    return `Digest ${[...words, `algorithm=${algorithm}`, ...(qop === undefined ? [] : [`qop=auth`, `nc=${nc}`])].join(', ')}`;
  }
}

function hashOf(algorithm: string): HashName | undefined {
  return HASHES.get(algorithm.toLowerCase().replace(/-sess$/, ''));
}

/** Value of a header that says who asks, in the plainest way. */
export function basic(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
