/** Being asked to stop: by a signal of the system, or by the program that runs the daemon. */

export interface StopRequest {
  /** Resolves when the daemon shall end. */
  readonly requested: Promise<'stop'>;
  /** Resolves when that was said a second time: at once, then. */
  readonly forced: Promise<'forced'>;
  /** Listens no longer. */
  release(): void;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Listens to `signal` if there is one, else to the process. Also keeps the process alive until `release`. */
export function stopRequest(signal: AbortSignal | undefined): StopRequest {
  let request!: (stop: 'stop') => void;
  let force!: (forced: 'forced') => void;
  let asked = false;
  const requested = new Promise<'stop'>((resolve) => (request = resolve));
  const forced = new Promise<'forced'>((resolve) => (force = resolve));
  const stop = (): void => {
    if (asked) force('forced');
    asked = true;
    request('stop');
  };
  const alive = setInterval(() => undefined, 2 ** 30);
  if (signal === undefined) for (const name of SIGNALS) process.on(name, stop);
  else if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return {
    requested,
    forced,
    release() {
      clearInterval(alive);
      signal?.removeEventListener('abort', stop);
      if (signal === undefined) for (const name of SIGNALS) process.off(name, stop);
    },
  };
}
