/** The next turn of the event loop, on any platform. */

/** Resolves in the next turn of the event loop: others have run by then. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
