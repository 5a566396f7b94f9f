// The program's first file. Everything else is loaded when it is needed, so that short commands start fast.
import { main } from '../main.js';
import { INTERRUPTED } from '../tool.js';
import { startLockList } from './lock-list.js';
import { Outlet } from './outlet.js';

/** Milliseconds that a command has for ending after a signal. */
const MOST_TO_END = 3000;
/** What shells make of an end by SIGPIPE: the work may be half done, and whoever looks must not take it for whole. */
const BROKEN_PIPE = 141;

const [, calledAs = 'blk', ...argv] = process.argv;

// Before anything is loaded: the kernel takes its time meanwhile.
const lockList = argv[0] === 'info' ? startLockList() : undefined;

// Takes effect only before the thread pool is used for the first time. Short commands do not pay for threads.
if (!['info', 'create', 'map', 'resize', '--help', '--version'].includes(argv[0] ?? '')) process.env['UV_THREADPOOL_SIZE'] ??= '16';

// Until the end is known: work that came to a stop without a result has failed.
process.exitCode = 1;

const stop = new AbortController();
let stoppedBy: NodeJS.Signals | undefined;
// A server ends when its clients' requests have.
const serves = argv[0] === 'serve' || argv[0] === 'nbd' || /qemu-(storage-daemon|nbd)[^/]*$/.test(calledAs);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    stoppedBy = signal;
    stop.abort();
    if (serves) return;
    // What does not end, a server that says nothing more for one, is ended.
    setTimeout(() => {
      if (!/qemu-[^/]*$/.test(calledAs)) messages.text('blk: interrupted\n');
      process.kill(process.pid, signal);
    }, MOST_TO_END).unref();
  });
}
// A reader that went away, as `| head` does, ends the program quietly; but a server has other users.
const output = new Outlet(1, () => process.stdout, (error) => {
  if (!serves) process.exit(error.code === 'EPIPE' ? BROKEN_PIPE : 1);
});
// Messages that nobody reads any more are no reason to stop.
const messages = new Outlet(2, () => process.stderr, () => undefined);

void main(
  argv,
  {
    // Made when it is first looked at, which short commands never do.
    get stdin() {
      return process.stdin;
    },
    get screen() {
      return process.stdin.isTTY && output.stream().isTTY ? output.stream() : undefined;
    },
    out: (text) => {
      output.text(text);
    },
    outBytes: (bytes) => output.bytes(bytes),
    err: (text) => {
      messages.text(text);
    },
    env: process.env,
    signal: stop.signal,
    onProgressWanted(listener) {
      process.on('SIGUSR1', listener);
      return () => process.off('SIGUSR1', listener);
    },
    ...(lockList === undefined ? {} : { lockList }),
  },
  calledAs,
).then((code) => {
  process.exitCode = code;
  // Nothing that was loaded keeps the program alive, once its words are out.
  output.finish(() => {
    messages.finish(() => {
      // A command that was cut short ends by the signal, so that the shell's loop that called it ends as well.
      if (stoppedBy !== undefined && code === INTERRUPTED && process.platform !== 'win32') process.kill(process.pid, stoppedBy);
      else process.exit(code);
    });
  });
});
