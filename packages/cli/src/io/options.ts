/** The command line of `blk io`: qemu-io's options; and those of its command `open`. */
import type { OpenOptions } from '@blk/core-graph';
import { UNTRUSTED } from '@blk/core-graph';
import { CommandLineError, getopt, type OptionSpec } from '../getopt.js';

const SPECS: readonly OptionSpec[] = [
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
  { long: 'object', argument: 'required' },
  { long: 'image-opts' },
  { long: 'cmd', short: 'c', argument: 'required' },
  { long: 'format', short: 'f', argument: 'required' },
  { long: 'read-only', short: 'r' },
  { long: 'snapshot', short: 's' },
  { long: 'nocache', short: 'n' },
  { long: 'copy-on-read', short: 'C' },
  { long: 'misalign', short: 'm' },
  { long: 'native-aio', short: 'k' },
  { long: 'aio', short: 'i', argument: 'required' },
  { long: 'cache', short: 't', argument: 'required' },
  { long: 'discard', short: 'd', argument: 'required' },
  { long: 'trace', short: 'T', argument: 'optional' },
  { long: 'force-share', short: 'U' },
  { long: 'untrusted' },
];

export interface IoArguments {
  readonly help: boolean;
  readonly version: boolean;
  readonly commands: readonly string[];
  /** Texts of `--object`. */
  readonly objects: readonly string[];
  readonly file?: string;
  readonly imageOptions: boolean;
  readonly open: OpenOptions;
  readonly writeThrough: boolean;
}

const REFUSED: Readonly<Record<string, string>> = {
  snapshot: 'temporary snapshots are not supported yet',
};

/** Throws a `CommandLineError` whose message goes behind the program's name. */
export function parseIoArguments(words: readonly string[]): IoArguments {
  const { options, operands } = getopt(words, SPECS);
  const commands: string[] = [];
  const objects: string[] = [];
  const settings = new ImageSettings();
  const seen = new Set<string>();
  for (const { name, value } of options) {
    seen.add(name);
    if (REFUSED[name] !== undefined) throw new CommandLineError(`--${name}: ${REFUSED[name]}`);
    if (name === 'cmd') commands.push(value ?? '');
    else if (name === 'object') objects.push(value ?? '');
    else settings.take(name, value ?? '');
  }
  if (operands.length > 1) throw new CommandLineError('expected at most one file');
  if (seen.has('image-opts') && seen.has('format')) throw new CommandLineError('--image-opts and --format are mutually exclusive');
  return {
    help: seen.has('help'),
    version: seen.has('version'),
    commands,
    objects,
    ...(operands[0] === undefined ? {} : { file: operands[0] }),
    imageOptions: seen.has('image-opts'),
    open: settings.options(),
    writeThrough: settings.writeThrough,
  };
}

/** Collects what the options of the program, or of the command `open`, say about an image. */
export class ImageSettings {
  writeThrough = false;
  readOnly = false;
  #format: string | undefined;
  #direct = false;
  #noFlush = false;
  #copyOnRead = false;
  #forceShare = false;
  #untrusted = false;
  #aio: 'threads' | 'native' | 'io_uring' | undefined;
  #discard = true;

  /** `name`: the long name of the option. */
  take(name: string, value: string): void {
    switch (name) {
      case 'format':
        this.#format = value;
        break;
      case 'read-only':
        this.readOnly = true;
        break;
      case 'nocache':
        this.#direct = true;
        break;
      case 'copy-on-read':
        this.#copyOnRead = true;
        break;
      case 'native-aio':
        this.#aio = 'native';
        break;
      case 'aio':
        if (value !== 'threads' && value !== 'native' && value !== 'io_uring') throw new CommandLineError(`Invalid aio option: ${value}`);
        this.#aio = value;
        break;
      case 'cache':
        this.#takeCache(value);
        break;
      case 'discard':
        if (!['ignore', 'off', 'unmap', 'on'].includes(value)) throw new CommandLineError(`Invalid discard option: ${value}`);
        this.#discard = value === 'unmap' || value === 'on';
        break;
      case 'force-share':
        this.#forceShare = true;
        break;
      case 'untrusted':
        this.#untrusted = true;
    }
  }

  options(): OpenOptions {
    return {
      ...(this.#format === undefined ? {} : { format: this.#format }),
      readOnly: this.readOnly,
      cache: { direct: this.#direct, noFlush: this.#noFlush },
      discard: this.#discard,
      ...(this.#copyOnRead ? { copyOnRead: true } : {}),
      forceShare: this.#forceShare,
      ...(this.#aio === undefined ? {} : { aio: this.#aio }),
      ...(this.#untrusted ? { policy: UNTRUSTED } : {}),
    };
  }

  #takeCache(mode: string): void {
    if (!['none', 'off', 'writeback', 'writethrough', 'directsync', 'unsafe'].includes(mode)) {
      throw new CommandLineError(`Invalid cache option: ${mode}`);
    }
    this.#direct = mode === 'none' || mode === 'off' || mode === 'directsync';
    this.#noFlush = mode === 'unsafe';
    this.writeThrough = mode === 'writethrough' || mode === 'directsync';
  }
}

const OPEN_SPECS: readonly OptionSpec[] = [
  { long: 'read-only', short: 'r' },
  { long: 'snapshot', short: 's' },
  { long: 'copy-on-read', short: 'C' },
  { long: 'nocache', short: 'n' },
  { long: 'native-aio', short: 'k' },
  { long: 'aio', short: 'i', argument: 'required' },
  { long: 'force-share', short: 'U' },
  { long: 'cache', short: 't', argument: 'required' },
  { long: 'discard', short: 'd', argument: 'required' },
  { long: 'options', short: 'o', argument: 'required' },
];

export interface OpenWords {
  readonly settings: ImageSettings;
  readonly options?: string;
  readonly file?: string;
}

/** The words of the command `open`. */
export function parseOpenWords(words: readonly string[]): OpenWords {
  const { options, operands } = getopt(words, OPEN_SPECS);
  const settings = new ImageSettings();
  let text: string | undefined;
  for (const { name, value } of options) {
    if (name === 'snapshot') throw new CommandLineError('temporary snapshots are not supported yet');
    if (name === 'options') text = value;
    else settings.take(name, value ?? '');
  }
  return {
    settings,
    ...(text === undefined ? {} : { options: text }),
    ...(operands[0] === undefined ? {} : { file: operands[0] }),
  };
}
