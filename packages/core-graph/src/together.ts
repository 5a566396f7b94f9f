/** One request to several children at the same time, for drivers that keep the same bytes several times. */
import type { Completion, MaybePromise } from './completion.js';
import type { Edge } from './edge.js';

/** What children threw, by their index; undefined: that one did it. */
export type Failures = readonly (Error | undefined)[];

export class Together {
  /** Who kept the last request waiting is asked first the next time: it is under way while the others answer at once, or wake threads. */
  #slowest = 0;

  /** Of so many children, the one that kept the last request waiting. */
  leader(children: number): number {
    return this.#slowest < children ? this.#slowest : 0;
  }

  /** Asks all of them. Undefined: all did it; at once where none has to wait. Never fails. */
  ask(children: readonly Edge[], request: (child: Edge, index: number) => Completion): MaybePromise<Failures | undefined> {
    const first = this.leader(children.length);
    const pending: Promise<void>[] = [];
    let failures: (Error | undefined)[] | undefined;
    const failed = (index: number, error: unknown): void => {
      failures ??= children.map(() => undefined);
      failures[index] = asError(error);
    };
    const ask = (index: number): void => {
      const over = (): void => {
        this.#slowest = index;
      };
      try {
        const done = request(children[index], index);
        if (done === undefined) return;
        pending.push(done.then(over, (error: unknown) => {
          over();
          failed(index, error);
        }));
      } catch (error) {
        failed(index, error);
      }
    };
    ask(first);
    for (let index = 0; index < children.length; index++) if (index !== first) ask(index);
    return pending.length === 0 ? failures : Promise.all(pending).then(() => failures);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
