/** Requests by the `fetch` of the platform: browsers, and whatever else has no sockets. */
import { BlockError, messageOf } from '@blk/core-graph';
import { brokenAnswer, httpError } from '../errors.js';
import type { HttpRequest, HttpResponse, Transport, TransportOptions } from '../transport.js';

export function openTransport({ verify, authorities, proxyFor }: TransportOptions): Transport {
  const never = [
    [!verify, 'sslverify=off'],
    [authorities !== undefined, 'other certificate authorities'],
  ] as const;
  for (const [asked, what] of never) if (asked) throw impossible(what);
  return {
    browser: true,
    send: async (request) => {
      if (proxyFor(request.url) !== undefined) throw impossible('a proxy of its own');
      return send(request);
    },
    hashes: ['SHA-256'],
    hash: async (name, text) => {
      const digest = await globalThis.crypto.subtle.digest(name, new TextEncoder().encode(text));
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    close: () => undefined,
  };
}

async function send({ url, headers, signal }: HttpRequest): Promise<HttpResponse> {
  if (headers['cookie'] !== undefined) throw impossible('cookies of its own');
  try {
    // What a cache has may be of another version.
    return answerOf(await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'follow' }), url, signal);
  } catch (error) {
    throw failure(error, url, signal);
  }
}

function answerOf(response: Response, url: URL, signal: AbortSignal): HttpResponse {
  const header = (name: string): string | undefined => response.headers.get(name) ?? undefined;
  return {
    status: response.status,
    // Whether it came in chunks is not told.
    delimited: response.headers.has('content-length'),
    header,
    body: async (sink) => {
      const reader = response.body?.getReader();
      if (reader === undefined) return;
      try {
        for (;;) {
          const { done, value } = await reader.read().catch((error: unknown) => { throw failure(error, url, signal); });
          if (done) return;
          const taken = sink(value);
          if (taken !== undefined) await taken;
        }
      } catch (error) {
        reader.cancel().catch(() => undefined);
        throw error;
      }
    },
    cancel: () => { response.body?.cancel().catch(() => undefined); },
  };
}

function impossible(what: string): BlockError {
  return httpError('unsupported', 'platform', `This platform does not allow ${what}`);
}

/** All that a page is told is that something failed. */
function failure(error: unknown, { origin }: URL, signal: AbortSignal): Error {
  if (error instanceof BlockError) return error;
  if (signal.aborted) return signal.reason as Error;
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
  const guess = cause === '' ? ' (it cannot be reached, or does not allow pages of other origins)' : cause;
  return brokenAnswer('network', `Could not fetch from ${origin}: ${messageOf(error)}${guess}`);
}
