/** What the drivers need of the platform: one request and its answer. */
import type { Completion } from '@blk/core-graph';

export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the request, its answer included; the error is the signal's reason. */
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** The end of the body can be told from the end of the connection. */
  readonly delimited: boolean;
  /** By its name in lower case. */
  header(name: string): string | undefined;
  /**
   * Hands over the body, a chunk after the other; the next one comes when the sink is done with the one before. Resolves at the end of a
   * whole body, and rejects where it broke off or the sink threw; the sink is not called any more then. `place` says where the next bytes are
   * to lie in the end: those of a chunk may have been put at its beginning already, and then the chunk is a part of it. A chunk is the sink's
   * until it is done with it. Undefined, or too short: anywhere.
   */
  body(sink: (chunk: Uint8Array) => Completion, place?: () => Uint8Array | undefined): Promise<void>;
  /** Lets go of a body that nobody wants. */
  cancel(): void;
}

export interface TransportOptions {
  readonly driver: string;
  /** Whether certificates have to be right. */
  readonly verify: boolean;
  readonly authorities: string | undefined;
  /** The proxy that a URL goes through: redirects may lead to places with another one, or with none. */
  readonly proxyFor: (url: URL) => ProxyServer | undefined;
  /** Most connections at a time. */
  readonly connections: number;
  /** Milliseconds until the way through a proxy counts as closed; 0: never. */
  readonly timeout: number;
}

export interface ProxyServer {
  readonly url: URL;
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

export type HashName = 'MD5' | 'SHA-256';

export interface Transport {
  /** Redirects are followed already, and what they led to is what is answered; nothing but the request's own headers can be sent. */
  readonly browser: boolean;
  /** A GET. Throws a `BlockError` where there is no answer. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** What `hash` has. */
  readonly hashes: readonly HashName[];
  /** In hexadecimal digits. */
  hash(name: HashName, text: string): Promise<string>;
  close(): void;
}
