/** The entry of `blk io`: one image, and commands about it. */
import { readFile } from 'node:fs/promises';
import { BlockError, BlockGraph, messageOf, type Backend } from '@blk/core-graph';
import { allDrivers } from '@blk/drivers-all';
import { blkdebugDriver } from '@blk/drivers-blkdebug';
import { IoSession, type IoProgram } from '@blk/image';
import { CommandLineError } from '../getopt.js';
import { readObjects } from '../objects.js';
import { makeThrottleGroups } from '../throttle-groups.js';
import type { Terminal } from '../terminal.js';
import { ExitError } from '../tool.js';
import { traceWarning } from '../trace.js';
import { describeImage } from './describe.js';
import { runAll, runInput } from './input.js';
import { ImageOpener } from './opening.js';
import { parseIoArguments, type IoArguments } from './options.js';
import { abort, raise } from './signals.js';

/** Runs the command; resolves with the exit code: 1 where any command failed. */
export async function ioMain(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const args = parseIoArguments(words);
    if (!args.help) return await runSession(args, terminal);
    terminal.out(help(terminal.name));
    return 0;
  } catch (error) {
    if (!(error instanceof CommandLineError) && !(error instanceof ExitError) && !(error instanceof BlockError)) throw error;
    if (error.message !== '') terminal.err(`${terminal.name}: ${messageOf(error)}\n`);
    if (error instanceof CommandLineError) terminal.out(help(terminal.name));
    return 1;
  }
}

async function runSession(args: IoArguments, terminal: Terminal): Promise<number> {
  const warn = (message: string): void => {
    terminal.err(`${terminal.name}: warning: ${message}\n`);
  };
  for (const warning of args.trace.map(traceWarning)) if (warning !== undefined) terminal.err(`${terminal.name}: ${warning}\n`);
  const objects = await readObjects(args.objects);
  const graph = new BlockGraph({
    drivers: allDrivers.map((driver) => (driver.name === 'blkdebug' ? blkdebugDriver({ print: (line) => { terminal.out(`${line}\n`); } }) : driver)),
    host: { warn: (message) => { terminal.err(`${message}\n`); } },
    ...objects.options,
  });
  try {
    makeThrottleGroups(graph, objects.throttleGroups);
    const opener = new ImageOpener(graph, warn);
    const session = new IoSession(programOf(opener, terminal), await openNamed(opener, args));
    const ok = args.commands.length > 0 ? await runAll(session, args.commands, terminal) : await runInput(session, terminal);
    return (await closed(session)) && ok ? 0 : 1;
  } finally {
    await graph.close();
  }
}

function openNamed(opener: ImageOpener, { file, imageOptions, settings }: IoArguments): Promise<Backend> | undefined {
  if (file === undefined) return undefined;
  return imageOptions ? opener.open(undefined, file, settings) : opener.open(file, undefined, settings);
}

/** False where the image was found to be damaged, which was told then. */
async function closed(session: IoSession): Promise<boolean> {
  try {
    await session.close();
    return true;
  } catch (error) {
    if (error instanceof BlockError && error.kind === 'corrupt') return false;
    throw error;
  }
}

function programOf(opener: ImageOpener, terminal: Terminal): IoProgram {
  return {
    name: terminal.name,
    out: (text) => { terminal.out(text); },
    err: (text) => { terminal.err(text); },
    now: () => performance.now() / 1000,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    readFile: (path) => readFile(path),
    describe: describeImage,
    open: (request) => opener.openRequest(request),
    reopen: (image, request) => opener.reopen(image, request),
    raise,
    abort,
  };
}

function help(name: string): string {
  return `Usage: ${name} [OPTIONS]... [-c STRING]... [file]
Reads, writes and examines a disk image by single requests.

  -c, --cmd STRING     run this command; may be given several times
  -f, --format FMT     format of the image (default: guessed)
      --object TEXT    a secret (secret,id=x,file=x.pw), tls-creds-x509 and the like, throttle-group
      --image-opts     file is a set of options, such as driver=qcow2,file.filename=x
  -r, --read-only      open read-only
  -s, --snapshot       write to a temporary image over it
  -n, --nocache        the same as -t none
  -t, --cache=MODE     none, writeback, writethrough (default), directsync, unsafe
  -i, --aio=MODE       threads, native, io_uring
  -k, --native-aio     the same as -i native
  -d, --discard=MODE   unmap (default) or ignore
  -C, --copy-on-read   store what is read from backing files
  -m, --misalign       ignored: buffers are aligned as the file wants them
  -T, --trace=WHAT     there are no trace events: ignored
  -U, --force-share    open beside other users of the image; read-only
      --untrusted      open no other file, guess no format
  -h, --help           show this text and exit
  -V, --version        show the version and exit

See '${name} -c help' for the commands.
`;
}
