/** The entry of `blk io`: commands from `-c`, or lines from standard input. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { BlockError, BlockGraph, type Backend, type Definition, type OpenOptions, type SecretLookup } from '@blk/core-graph';
import { allDrivers } from '@blk/drivers-all';
import { IoSession, type IoProgram } from '@blk/image';
import { parseKeyval } from '@blk/qapi-types';
import { CommandLineError } from '../getopt.js';
import { readSecrets } from '../secrets.js';
import type { Terminal } from '../terminal.js';
import { describeImage } from './describe.js';
import { parseIoArguments, parseOpenWords, type IoArguments } from './options.js';

/** Runs the command; resolves with the exit code: 1 where any command failed. */
export async function ioMain(words: readonly string[], terminal: Terminal): Promise<number> {
  let args: IoArguments;
  try {
    args = parseIoArguments(words);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    terminal.err(`${terminal.name}: ${error.message}\n`);
    terminal.out(help(terminal.name));
    return 1;
  }
  if (args.help) {
    terminal.out(help(terminal.name));
    return 0;
  }
  let secrets: SecretLookup | undefined;
  try {
    secrets = await readSecrets(args.objects);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    terminal.err(`${terminal.name}: ${error.message}\n`);
    return 1;
  }
  const graph = new BlockGraph({
    drivers: allDrivers,
    host: { warn: (message) => { terminal.err(`${message}\n`); } },
    ...(secrets === undefined ? {} : { secrets }),
  });
  try {
    const program = programOf(graph, terminal);
    let image: Backend | undefined;
    if (args.file !== undefined) {
      image = await openOrTell(graph, sourceOf(args.file, args.imageOptions), args.file, args.open, args.writeThrough, terminal);
      if (image === undefined) return 1;
    }
    const session = new IoSession(program, image);
    const ok = args.commands.length > 0 ? await runAll(session, args.commands, terminal) : await runInput(session, terminal);
    await session.image?.close();
    return ok ? 0 : 1;
  } finally {
    await graph.close();
  }
}

async function runAll(session: IoSession, lines: readonly string[], terminal: Terminal): Promise<boolean> {
  let ok = true;
  for (const line of lines) {
    if (session.ended || terminal.signal?.aborted === true) break;
    if (!(await session.run(line))) ok = false;
  }
  return ok;
}

/** Reads lines until the end of input or `quit`; a prompt stands before each. */
async function runInput(session: IoSession, terminal: Terminal): Promise<boolean> {
  const prompt = 'qemu-io> ';
  const lines = createInterface({ input: terminal.input, terminal: false });
  const stop = (): void => {
    lines.close();
  };
  terminal.signal?.addEventListener('abort', stop);
  terminal.out(prompt);
  let ok = true;
  for await (const line of lines) {
    if (!(await session.run(line))) ok = false;
    if (session.ended) break;
    terminal.out(prompt);
  }
  terminal.signal?.removeEventListener('abort', stop);
  lines.close();
  return ok;
}

function programOf(graph: BlockGraph, terminal: Terminal): IoProgram {
  return {
    name: terminal.name,
    out: (text) => { terminal.out(text); },
    err: (text) => { terminal.err(text); },
    now: () => performance.now() / 1000,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    readFile: (path) => readFile(path),
    describe: describeImage,
    open: async (words) => {
      const { settings, options, file } = parseOpenWords(words);
      const extra = options === undefined ? {} : (parseKeyval(options) as Definition);
      const source = file === undefined ? extra : Object.keys(extra).length === 0 ? file : { ...extra, file: { driver: 'file', filename: file } };
      return openImage(graph, source, settings.options(), settings.writeThrough);
    },
  };
}

async function openOrTell(
  graph: BlockGraph,
  source: string | Definition,
  shown: string,
  options: OpenOptions,
  writeThrough: boolean,
  terminal: Terminal,
): Promise<Backend | undefined> {
  try {
    return await openImage(graph, source, options, writeThrough);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    terminal.err(`${terminal.name}: can't open device ${shown}: ${error.message}\n`);
    return undefined;
  }
}

function openImage(graph: BlockGraph, source: string | Definition, options: OpenOptions, writeThrough: boolean): Promise<Backend> {
  const writable = options.readOnly !== true;
  return graph.openBackend(source, { ...options, writable, resizable: writable, writeThrough });
}

function sourceOf(file: string, imageOptions: boolean): string | Definition {
  return imageOptions ? (parseKeyval(file, 'file')) : file;
}

function help(name: string): string {
  return `Usage: ${name} [OPTIONS]... [-c STRING]... [file]
Reads, writes and examines a disk image by single requests.

  -c, --cmd STRING     run this command; may be given several times
  -f, --format FMT     format of the image (default: guessed)
      --object TEXT    a secret: secret,id=x,file=x.pw
      --image-opts     file is a set of options, such as driver=qcow2,file.filename=x
  -r, --read-only      open read-only
  -n, --nocache        the same as -t none
  -t, --cache=MODE     none, writeback (default), writethrough, directsync, unsafe
  -i, --aio=MODE       threads, native, io_uring
  -k, --native-aio     the same as -i native
  -d, --discard=MODE   unmap (default) or ignore
  -C, --copy-on-read   store what is read from backing files
  -U, --force-share    open beside other users of the image; read-only
      --untrusted      open no other file, guess no format
  -h, --help           show this text and exit
  -V, --version        show the version and exit

See '${name} -c help' for the commands.
`;
}
