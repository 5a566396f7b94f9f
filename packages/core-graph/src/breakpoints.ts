/** Points inside a driver at which requests stop, for tests of what happens meanwhile. */

/** What `break`, `resume` and their like ask of the driver that offers them (`blkdebug`). */
export interface Breakpoints {
  /** Requests stop at `event` (a `BlkdebugEvent`), and are known as `tag` from then on. Throws where there is no such event. */
  set(event: string, tag: string): Promise<void>;
  /** Takes the breakpoints of `tag` away, and lets its stopped requests go on. Throws kind `not-found` where there is none. */
  remove(tag: string): Promise<void>;
  /** Lets one stopped request go on. Throws kind `not-found` where none has stopped. */
  resume(tag: string): Promise<void>;
  /** Resolves when a request has stopped. */
  suspended(tag: string): Promise<void>;
}
