/** The entry of `blk nbd`: help, errors and exit codes around the server. */
import { BlockError } from '@blk/core-graph';
import { CommandLineError } from '../getopt.js';
import type { Terminal } from '../terminal.js';
import { traceWarning } from '../trace.js';
import { INVALID_COUNT, parseNbdArguments } from './options.js';
import { forkedDescriptor, forkNbd, isForked } from './fork.js';
import { listText } from './list.js';
import { activatedDescriptor, serveNbd } from './serve.js';

/** Runs the command; resolves with the exit code. */
export async function nbdMain(words: readonly string[], terminal: Terminal): Promise<number> {
  let args;
  try {
    args = parseNbdArguments(words);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    terminal.err(`${terminal.name}: ${error.message}\n${hint(error.message, terminal.name)}`);
    return 1;
  }
  if (args.help) {
    terminal.out(help(terminal.name));
    return 0;
  }
  try {
    for (const warning of args.trace.map(traceWarning)) if (warning !== undefined) terminal.err(`${terminal.name}: ${warning}\n`);
    if (args.list) {
      terminal.out(await listText(args));
      return 0;
    }
    const activated = isForked() ? forkedDescriptor() : activatedDescriptor(args, process.env);
    if (args.fork && !isForked()) {
      const child = await forkNbd(terminal.program, terminal.name === 'qemu-nbd' ? words : ['nbd', ...words], activated);
      terminal.err(child.stderr);
      return child.code;
    }
    await serveNbd(args, {
      warn: (message) => {
        terminal.err(`${message}\n`);
      },
    }, activated);
    return 0;
  } catch (error) {
    if (!(error instanceof BlockError) && !(error instanceof CommandLineError)) throw error;
    terminal.err(`${terminal.name}: ${error.message}\n`);
    if (error instanceof CommandLineError && error.second !== undefined) terminal.err(`${terminal.name}: ${error.second}\n`);
    return 1;
  }
}

/** What the original adds to errors of the command line itself, told apart by who found them. */
function hint(message: string, name: string): string {
  if (message === INVALID_COUNT) return `Try \`${name} --help' for more information.\n`;
  const fromGetopt = /^(unrecognized option|invalid option|option )/.test(message);
  return fromGetopt ? `${name}: Try \`${name} --help' for more information.\n` : '';
}

function help(name: string): string {
  return `Usage: ${name} [OPTIONS] FILE
  or:  ${name} -L [OPTIONS]
Serves a disk image to NBD clients, or lists what another server exports.

  -h, --help                show this text and exit
  -V, --version             show the version and exit

Connection properties:
  -p, --port=PORT           TCP port (default 10809)
  -b, --bind=IFACE          address to listen on (default 0.0.0.0)
  -k, --socket=PATH         listen on a unix socket instead; an absolute path
  -e, --shared=NUM          clients at the same time (default 1, 0: any number)
  -t, --persistent          stay when the last client has left
  -v, --verbose             accepted; there is no more to say
  -T, --trace=WHAT          there are no trace events: ignored
  -x, --export-name=NAME    name of the export (default: the empty name)
  -D, --description=TEXT    description of the export
      --tls-creds=ID        offer nothing but TLS, with these credentials
      --object=TYPE,id=ID,…  tls-creds-x509, tls-creds-psk or tls-creds-anon with dir=, endpoint=server; a secret
      --fork                return when the server listens; it goes on in the background
      --pid-file=PATH       write the process id there

Exposing part of the image:
  -o, --offset=OFFSET       first byte
  -A, --allocation-depth    offer the context qemu:allocation-depth
  -B, --bitmap=NAME         offer this dirty bitmap as qemu:dirty-bitmap:NAME; may be given several times

Another server:
  -L, --list                connect to -k, or -b and -p, and tell what it exports
      --tls-hostname=NAME   name that its certificate has to be for

Image:
  -f, --format=FORMAT       format of the image (default: guessed)
  -r, --read-only           serve read-only
  -s, --snapshot            write to a temporary image over it
  -l, --load-snapshot=SNAP  serve a snapshot inside the image, read-only: snapshot.id=ID,snapshot.name=NAME, or
                            one word that is either
  -n, --nocache             the same as --cache=none
      --cache=MODE          none, writeback (default), writethrough, directsync, unsafe
      --aio=MODE            threads (default), native, io_uring
      --discard=MODE        unmap (default) or ignore
      --detect-zeroes=MODE  off (default), on, unmap
      --image-opts          FILE is a set of options, such as driver=qcow2,file.filename=x
      --untrusted           open no other file, guess no format
`;
}
