/** The program's front: which tool is meant, and handing over to it. Each tool is loaded when it is needed. */
import { hasForeignBytes } from './foreign-bytes.js';
import type { Terminal } from './terminal.js';
import { ExitError, say, TOOL_NAMES, UsageError, versionText, type Tool, type ToolIo } from './tool.js';


/**
 * Runs the program. `calledAs` is the name that it was started by: `qemu-img` makes it qemu-img, down to its messages.
 * Resolves with the exit code; errors have been told on `io.err` by then.
 */
export async function main(argv: readonly string[], io: ToolIo, calledAs = 'blk'): Promise<number> {
  const alias = TOOL_NAMES.find((name) => name === toolName(calledAs));
  const tool: Tool = { name: alias ?? 'blk', alias: alias !== undefined, io };
  if (hasForeignBytes(argv)) {
    say(tool, 'File names that are not UTF-8 are not supported');
    return 1;
  }
  switch (alias) {
    case 'qemu-img':
      return img(tool, argv);
    case 'qemu-io':
      return onTerminal(tool, 'io', argv);
    case 'qemu-nbd':
      return onTerminal(tool, 'nbd', argv);
    case 'qemu-storage-daemon':
      return guarded(tool, async () => (await import('./serve/run.js')).runServe(tool, argv));
    default:
      return blk(tool, argv);
  }
}

async function blk(tool: Tool, argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case '-h':
    case '--help':
    case 'help':
      tool.io.out(help());
      return 0;
    case '-V':
    case '--version':
      tool.io.out(versionText(tool));
      return 0;
    case 'io':
      return onTerminal(tool, 'io', rest);
    case 'nbd':
      return onTerminal(tool, 'nbd', rest);
    case 'serve':
      return guarded(tool, async () => (await import('./serve/run.js')).runServe(tool, rest));
    default:
      return img(tool, argv);
  }
}

/** Commands that may be over at once. */
const SHORT: readonly (string | undefined)[] = ['create', 'info'];
/** Names of what those mostly need more for than their bundle has: they would only have to begin again. */
const MORE = /\.(?:vdi|vmdk|vhdx?|qed|qcow|dmg|hdd|hds|cloop)$|^(?:fat|nbd(?:s|\+[a-z]+)?|https?|ftps?|tftp|ssh):/i;
/** Commands whose bundle is the small one. */
const QUICK: readonly (string | undefined)[] = ['compare', 'convert', 'create', 'info', 'map', 'resize'];

async function img(tool: Tool, argv: readonly string[]): Promise<number> {
  if (SHORT.includes(argv[0]) && !argv.some((word) => MORE.test(word))) {
    const { isShort, runShort } = await import('./img/short.js');
    const code = isShort(argv) ? await runShort(tool, argv) : undefined;
    if (code !== undefined) return code;
  }
  return QUICK.includes(argv[0]) ? (await import('./img/run.js')).runImg(tool, argv) : (await import('./img/all.js')).runAnyImg(tool, argv);
}

/** The commands that are tools of their own, called by a link or as a command of `blk`. */
async function onTerminal(tool: Tool, command: 'io' | 'nbd', words: readonly string[]): Promise<number> {
  if (words[0] === '-V' || words[0] === '--version') {
    tool.io.out(versionText(tool));
    return 0;
  }
  const terminal: Terminal = {
    name: tool.alias ? tool.name : `blk ${command}`,
    out: (text) => {
      tool.io.out(text);
    },
    err: (text) => {
      tool.io.err(text);
    },
    input: tool.io.stdin,
    interactive: tool.io.screen !== undefined,
    ...(tool.io.screen === undefined ? {} : { screen: tool.io.screen }),
    signal: tool.io.signal,
    program: process.argv[1] ?? '',
  };
  return guarded(tool, async () =>
    command === 'io' ? (await import('./io/main.js')).ioMain(words, terminal) : (await import('./nbd/main.js')).nbdMain(words, terminal),
  );
}

async function guarded(tool: Tool, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ExitError || error instanceof UsageError) {
      if (error.message !== '') say(tool, error.message);
      return error instanceof ExitError ? error.code : 1;
    }
    say(tool, error instanceof Error ? error.message.split('\n', 1)[0] : String(error));
    if (tool.io.env['BLK_DEBUG'] === '1' && error instanceof Error) tool.io.err(`${error.stack}\n`);
    return 1;
  }
}

/** `qemu-img` from `/usr/bin/qemu-img` and the like. */
function toolName(path: string): string {
  return path.replace(/^.*[\\/]/, '').replace(/\.(js|cjs|mjs|exe|cmd)$/, '');
}

function help(): string {
  return `usage: blk COMMAND [OPTIONS]

Disk images: looking at them, making, converting and serving them. Options and output are those of the reference tools.

  info      describes an image
  amend     changes options of the format of an image
  create    makes an empty image
  convert   copies the content of images into a new one
  map       shows which ranges hold data, and where they lie
  resize    changes the size of an image
  snapshot  lists, takes, applies and deletes internal snapshots
  bitmap    changes a persistent dirty bitmap of an image
  check     looks for what does not fit together in an image, and repairs it
  compare   tells whether two images have the same content
  commit    writes what an image holds into its backing file
  rebase    gives an image another backing file
  dd        copies a part of an image into a new one
  measure   tells how large the file of a new image would be
  checksum  gives one value for the content of a disk, the same in any format
  chain     shows images and their backing files as a tree
  bench     measures how long requests take
  link      makes links by the names of the reference tools, which are this program
  io        reads, writes and examines an image by commands, as qemu-io does
  nbd       serves an image to NBD clients, as qemu-nbd does
  serve     runs the server with its monitors, as qemu-storage-daemon does; --demo sets up something to try

'blk COMMAND --help' explains the options. Under the names ${TOOL_NAMES.join(', ')}
(a link suffices) this program is that tool.
Environment: BLK_DEBUG=1 shows where an unexpected failure came from.
`;
}

