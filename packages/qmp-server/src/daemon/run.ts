/** The daemon from its first option to its exit code. */
import { ManualClock, messageOf } from '@blk/core-graph';
import { createServer, type BlkServer } from '../server.js';
import { parseArguments, type Argument } from './arguments.js';
import { Chardevs } from './chardev.js';
import { isDaemon, reportReady, startDaemon } from './daemonize.js';
import { helpText, versionText } from './help.js';
import { surroundings, type DaemonIo, type Surroundings } from './io.js';
import { writePidfile } from './pidfile.js';
import { carryOut, type SetUp } from './set-up.js';
import { stopRequest, type StopRequest } from './stop.js';

/**
 * Runs a server with the options of qemu-storage-daemon, in the order given, until `quit` or a signal ends it. Resolves
 * with the exit code; messages have gone to `io.stderr` by then.
 */
export async function runDaemon(argv: readonly string[], io: DaemonIo): Promise<number> {
  const around = surroundings(io);
  try {
    const parsed = parseArguments(argv);
    const text = firstText(parsed, io.program);
    if (text !== undefined) {
      await new Promise<void>((resolve) => around.stdout.write(text, () => { resolve(); }));
      return 0;
    }
    const daemonize = parsed.some((argument) => argument.name === 'daemonize');
    if (daemonize && !isDaemon()) return await startDaemon(around, argv, parsed);
    return await serve(parsed, around, daemonize);
  } catch (error) {
    around.say(messageOf(error));
    return 1;
  }
}

function firstText(parsed: readonly Argument[], program: string): string | undefined {
  const first = parsed.find(({ name }) => name === 'help' || name === 'version');
  return first === undefined ? undefined : first.name === 'help' ? helpText(program) : versionText(program);
}

async function serve(parsed: readonly Argument[], around: Surroundings, daemonize: boolean): Promise<number> {
  let quiet = false;
  const say = (message: string): void => {
    if (!quiet) around.say(message);
  };
  const clock = parsed.some(({ name }) => name === 'qtest') ? new ManualClock() : undefined;
  const server = await createServer({
    drivers: around.io.drivers,
    log: say,
    print: (text) => void around.stdout.write(text),
    ...(clock === undefined ? {} : { host: { clock } }),
  });
  const chardevs = new Chardevs({ ...around, say }, daemonize, {
    server: (id) => server.objects.serverCredentials(id, 'Expected TLS credentials for a server endpoint'),
    client: (id) => server.objects.clientCredentials(id),
  });
  const stop = stopRequest(around.io.signal);
  let removePidfile: (() => void) | undefined;
  try {
    const setUp: SetUp = { server, chardevs, clock, compatMonitors: 0 };
    for (const argument of parsed) {
      const done = await Promise.race([carryOut(argument, setUp), stop.requested, server.closed]);
      // A signal while an option waits, for a client perhaps, ends the daemon as at any other time.
      if (done === 'stop' || server.closing) return await end(server, chardevs, stop, say);
    }
    const pidfile = parsed.findLast(({ name }) => name === 'pidfile')?.value;
    if (pidfile !== undefined) removePidfile = writePidfile(pidfile);
    await around.io.ready?.(server);
    if (daemonize) {
      reportReady();
      // Whoever read standard error is gone.
      quiet = true;
    }
    await Promise.race([stop.requested, server.closed.catch(() => undefined)]);
    return await end(server, chardevs, stop, say);
  } catch (error) {
    await end(server, chardevs, stop, say);
    throw error;
  } finally {
    removePidfile?.();
    stop.release();
  }
}

/** Milliseconds after which a daemon that cannot close what it has open gives up. */
const PATIENCE = 30_000;

async function end(server: BlkServer, chardevs: Chardevs, stop: StopRequest, say: (message: string) => void): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => { resolve('late'); }, PATIENCE);
  });
  const closed = closeAll(server, chardevs);
  const outcome = await Promise.race([closed, patience, stop.forced]);
  clearTimeout(timer);
  if (outcome === 'closed') return 0;
  if (outcome === 'late') say(`not everything could be closed within ${PATIENCE / 1000} s`);
  return 1;
}

async function closeAll(server: BlkServer, chardevs: Chardevs): Promise<'closed' | 'failed'> {
  const noClients = chardevs.close();
  try {
    await server.close();
    return 'closed';
  } catch {
    // It is in the log.
    return 'failed';
  } finally {
    await noClients;
  }
}
