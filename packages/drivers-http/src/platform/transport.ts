/** Requests by the `fetch` of the platform: browsers, and whatever else has no sockets. */
import { BlockError, messageOf } from '@blk/core-graph';
import { brokenAnswer, httpError } from '../errors.js';
import type { HttpRequest, HttpResponse, Transport, TransportOptions } from '../transport.js';

export function openTransport({ verify, authorities, proxy }: TransportOptions): Transport {
  const never = [
    [!verify, 'sslverify=off'],
    [authorities !== undefined, 'other certificate authorities'],
    [proxy !== undefined, 'a proxy of its own'],
  ] as const;
  for (const [asked, what] of never) if (asked) throw httpError('unsupported', 'platform', `This platform does not allow ${what}`);
  return {
    browser: true,
    send,
    hash: async (name, text) => {
      if (name !== 'SHA-256') return undefined;
      const digest = await globalThis.crypto.subtle.digest(name, new TextEncoder().encode(text));
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    close: () => undefined,
  };
}

async function send({ url, headers, signal }: HttpRequest): Promise<HttpResponse> {
  if (headers['cookie'] !== undefined) throw httpError('unsupported', 'platform', 'This platform does not allow cookies of its own');
  try {
    // What a cache has may be of another version.
    return answerOf(await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'follow' }));
  } catch (error) {
    throw failure(error, url, signal);
  }
}

function answerOf(response: Response): HttpResponse {
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
          const { done, value } = await reader.read().catch((error: unknown) => { throw failure(error, new URL(response.url), undefined); });
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

/** All that a page is told is that something failed. */
function failure(error: unknown, { origin }: URL, signal: AbortSignal | undefined): Error {
  if (error instanceof BlockError) return error;
  if (signal?.aborted === true) return signal.reason as Error;
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
  return brokenAnswer('network', `Could not fetch from ${origin}: ${messageOf(error)}${cause}`);
}
