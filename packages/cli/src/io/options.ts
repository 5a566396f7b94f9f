/** The command line of `blk io`: qemu-io's options. */
import type { OpenOptions } from '@blk/core-graph';
import { UNTRUSTED } from '@blk/core-graph';
import { CommandLineError, getopt, type OptionSpec } from '../getopt.js';
import { cacheMode } from '../settings.js';
import { ExitError } from '../tool.js';

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
  { long: 'trace', short: 'T', argument: 'required' },
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
  readonly settings: ImageSettings;
  /** Tracing was asked for, which there is not. */
  readonly trace: readonly string[];
}

/** Throws a `CommandLineError` where help is to follow, an `ExitError` where the message says it all. */
export function parseIoArguments(words: readonly string[]): IoArguments {
  const { options, operands } = getopt(words, SPECS);
  const commands: string[] = [];
  const objects: string[] = [];
  const trace: string[] = [];
  const settings = new ImageSettings();
  const seen = new Set<string>();
  for (const { name, value } of options) {
    seen.add(name);
    if (name === 'cmd') commands.push(value ?? '');
    else if (name === 'object') objects.push(value ?? '');
    else if (name === 'trace') trace.push(value ?? '');
    else settings.take(name, value ?? '');
  }
  if (operands.length > 1) throw new CommandLineError('');
  if (seen.has('image-opts') && seen.has('format')) throw new ExitError(1, '--image-opts and -f are mutually exclusive');
  return {
    help: seen.has('help'),
    version: seen.has('version'),
    commands,
    objects,
    ...(operands[0] === undefined ? {} : { file: operands[0] }),
    imageOptions: seen.has('image-opts'),
    settings,
    trace,
  };
}

/** Collects what the options of the program, or of the command `open`, say about an image. */
export class ImageSettings {
  /** Every write is on stable storage before it is done: as with the reference, unless a cache mode says otherwise. */
  writeThrough = true;
  readOnly = false;
  /** What is written goes to a temporary overlay. */
  snapshot = false;
  format: string | undefined;
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
        this.format = value;
        break;
      case 'read-only':
        this.readOnly = true;
        break;
      case 'snapshot':
        this.snapshot = true;
        break;
      case 'nocache':
        this.#takeCache('none');
        break;
      case 'copy-on-read':
        this.#copyOnRead = true;
        break;
      case 'native-aio':
        this.#aio = 'native';
        break;
      case 'aio':
        if (value !== 'threads' && value !== 'native' && value !== 'io_uring') throw new ExitError(1, `Invalid aio option: ${value}`);
        this.#aio = value;
        break;
      case 'cache':
        this.#takeCache(value);
        break;
      case 'discard':
        if (!['ignore', 'off', 'unmap', 'on'].includes(value)) throw new ExitError(1, `Invalid discard option: ${value}`);
        this.#discard = value === 'unmap' || value === 'on';
        break;
      case 'force-share':
        this.#forceShare = true;
        break;
      case 'untrusted':
        this.#untrusted = true;
    }
  }

  /** The same settings, to be changed. */
  copy(): ImageSettings {
    const copy = new ImageSettings();
    copy.readOnly = this.readOnly;
    copy.snapshot = this.snapshot;
    copy.format = this.format;
    copy.writeThrough = this.writeThrough;
    copy.#direct = this.#direct;
    copy.#noFlush = this.#noFlush;
    copy.#copyOnRead = this.#copyOnRead;
    copy.#forceShare = this.#forceShare;
    copy.#untrusted = this.#untrusted;
    copy.#aio = this.#aio;
    copy.#discard = this.#discard;
    return copy;
  }

  options(): OpenOptions {
    return {
      ...(this.format === undefined ? {} : { format: this.format }),
      readOnly: this.readOnly,
      cache: { direct: this.#direct, noFlush: this.#noFlush },
      discard: this.#discard,
      ...(this.#copyOnRead ? { copyOnRead: true } : {}),
      forceShare: this.#forceShare,
      ...(this.#aio === undefined ? {} : { aio: this.#aio }),
      ...(this.#untrusted ? { policy: UNTRUSTED } : {}),
    };
  }

  #takeCache(name: string): void {
    const mode = cacheMode(name);
    if (mode === undefined) throw new ExitError(1, `Invalid cache option: ${name}`);
    this.#direct = mode.direct;
    this.#noFlush = mode.noFlush;
    this.writeThrough = mode.writeThrough;
  }
}
