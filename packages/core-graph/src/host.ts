/** The defaults for what an embedder may hand in. */
import type { Host } from './driver-context.js';

/** Kept from the first use on: the platform looks the global one up anew, and slowly, each time. */
let platform: Performance | undefined;

/** A host of the platform's parts and those handed in; it keeps to its own clock unless another was among them. */
export function hostOf(parts: Partial<Host> | undefined): Host {
  const host = { ...platformHost, ...parts };
  return { ...host, clock: parts?.clock ?? { now: () => host.now(), timer: (ms, callback) => host.timer(ms, callback) } };
}

/** Clock, randomness and timers of the JavaScript platform; warnings go nowhere. */
export const platformHost: Host = {
  get clock() {
    return platformHost;
  },
  now: () => (platform ??= performance).now() * 1e6,
  random: (into) => {
    for (let at = 0; at < into.length; at += 65536) globalThis.crypto.getRandomValues(into.subarray(at, at + 65536));
  },
  warn: () => undefined,
  timer: (ms, callback) => {
    const id = setTimeout(callback, ms);
    return () => {
      clearTimeout(id);
    };
  },
};
