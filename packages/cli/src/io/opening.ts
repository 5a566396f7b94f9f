/** How `blk io` opens images: by its command line, and for its commands `open` and `reopen`. */
import { BlockError, messageOf, protocolDefinition, unflatten, type Backend, type BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { splitOptions, type IoOpenRequest, type Reopened } from '@blk/image';
import { openOverlay } from '../temporary.js';
import { ExitError } from '../tool.js';
import { ImageSettings } from './options.js';

/** What an image was opened by, so that it can be opened again. */
interface Origin {
  readonly path: string | undefined;
  readonly options: Definition;
  readonly settings: ImageSettings;
}

/** Letters of the options of `open`, by the long name that the command line has for the same. */
const LETTERS = {
  r: 'read-only', s: 'snapshot', C: 'copy-on-read', n: 'nocache', k: 'native-aio', i: 'aio', U: 'force-share', t: 'cache', d: 'discard',
} as const;

/** Opens images and remembers how. */
export class ImageOpener {
  readonly #origins = new WeakMap<Backend, Origin>();

  constructor(
    private readonly graph: BlockGraph,
    private readonly warn: (message: string) => void,
  ) {}

  /** `options`: as `-o` or `--image-opts` gave them. Throws a `BlockError` with the whole message: `can't open device …`. */
  async open(path: string | undefined, options: string | undefined, settings: ImageSettings): Promise<Backend> {
    try {
      return await this.#open({ path, options: options === undefined ? {} : this.#parse(options), settings });
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      const what = path === undefined ? `can't open` : `can't open device ${path}`;
      throw new BlockError(error.kind, `${what}: ${messageOf(error)}`, error.context, error);
    }
  }

  /** For the command `open`. */
  openRequest({ flags, values, path }: IoOpenRequest): () => Promise<Backend> {
    const settings = new ImageSettings();
    for (const [letter, name] of Object.entries(LETTERS)) {
      if (flags.has(letter)) settings.take(name, '');
      const value = values.get(letter);
      if (value !== undefined) take(settings, name, value);
    }
    return () => this.open(path, values.get('o'), settings);
  }

  /** For the command `reopen`: closes the image, and opens it with changed options. */
  async reopen(image: Backend, { flags, values }: IoOpenRequest): Promise<Reopened> {
    const origin = this.#origins.get(image);
    if (origin === undefined || origin.settings.snapshot) {
      throw new BlockError('unsupported', 'An image with a temporary overlay cannot be reopened');
    }
    const settings = origin.settings.copy();
    const changes = this.#parse(values.get('o') ?? '');
    const names = Object.keys(changes);
    const cache = values.get('c');
    if (cache !== undefined) {
      take(settings, 'cache', cache);
      if (names.some((name) => name.startsWith('cache.'))) throw invalid('Cannot set both -c and the cache options');
    }
    if (flags.has('r') || flags.has('w')) {
      settings.readOnly = flags.has('r');
      if (names.includes('read-only')) throw invalid("Cannot set both -r/-w and 'read-only'");
    } else if (isOn(changes['read-only']) && !image.readOnly) {
      throw invalid(`Read-only block node '${image.root.name}' cannot support read-write users`);
    }
    checkChanges(image.root, origin.options, changes);
    await image.close();
    try {
      return { image: await this.#open({ path: origin.path, options: { ...origin.options, ...changes }, settings }) };
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      return await this.#back(origin, error);
    }
  }

  async #back(origin: Origin, error: BlockError): Promise<Reopened> {
    try {
      return { image: await this.#open(origin), error };
    } catch (lost) {
      const message = `${messageOf(error)}; and the image could not be opened as it was: ${messageOf(lost)}`;
      return { image: undefined, error: new BlockError('io', message, {}, error) };
    }
  }

  async #open(origin: Origin): Promise<Backend> {
    const { path, options, settings } = origin;
    const source = path === undefined ? options : await this.#named(path, options, settings.format);
    if (path === undefined && options['driver'] === undefined && !Object.keys(options).some((name) => /^file(\.|$)/.test(name))) {
      throw invalid('Must specify either driver or file');
    }
    const writable = !settings.readOnly && !isOn(options['read-only']);
    const users = { writable, resizable: writable, writeThrough: settings.writeThrough };
    const open = settings.options();
    if (!writable && (open.copyOnRead === true || isOn(options['copy-on-read']))) throw invalid("Can't use copy-on-read on read-only device");
    const backend = settings.snapshot ? await this.#overlay(source, settings, users) : await this.graph.openBackend(source, { ...open, ...users });
    this.#origins.set(backend, origin);
    return backend;
  }

  async #overlay(source: string | Definition, settings: ImageSettings, users: { readonly writable: boolean; readonly resizable: boolean }): Promise<Backend> {
    const { copyOnRead, ...open } = settings.options();
    const below = await this.graph.open(source, { ...open, readOnly: true });
    try {
      return await openOverlay(this.graph, below, { ...open, ...users, ...(copyOnRead === true ? { copyOnRead } : {}) });
    } finally {
      await this.graph.release(below);
    }
  }

  /** The image of this name with further options. */
  async #named(path: string, options: Definition, format: string | undefined): Promise<string | Definition> {
    if (Object.keys(options).length === 0) return path;
    const nested = unflatten(options);
    const driver = nested['driver'] ?? format;
    if (typeof driver !== 'string' || path.startsWith('json:')) return { ...nested, filename: path };
    const protocol = await protocolDefinition(this.graph, path);
    if (this.graph.driver(driver).role === 'protocol') return { ...protocol, ...nested };
    return { ...nested, driver, file: { ...protocol, ...(nested['file'] as Definition | undefined) } };
  }

  #parse(text: string): Definition {
    const definition: Record<string, string> = {};
    for (const [name, value] of text === '' ? [] : splitOptions(text)) {
      if (value === undefined) this.warn(`short-form boolean option '${name}' deprecated\nPlease use ${name}=on instead`);
      definition[name] = value ?? 'on';
    }
    return definition;
  }
}

/** Options of every node that an open image may change. */
const CHANGEABLE = new Set(['read-only', 'auto-read-only', 'force-share', 'discard', 'detect-zeroes', 'cache', 'copy-on-read', 'node-name']);

/** Throws for what cannot change: the driver, a child, an option that there is not; the same value as before is none. */
function checkChanges(root: BlockNode, before: Definition, changes: Definition): void {
  for (const [name, value] of Object.entries(changes)) {
    const path = name.split('.');
    const option = path.length > 1 && root.children.has(path[0]) ? path[1] : path[0];
    const own = path.length === 1 || !root.children.has(path[0]) ? root.settings.driver.options : {};
    if (value === before[name] || (name === 'driver' && value === root.driverName) || CHANGEABLE.has(option) || Object.hasOwn(own, name)) continue;
    throw invalid(`Cannot change the option '${option}'`);
  }
}

/** In a command, a bad word is an error like others. */
function take(settings: ImageSettings, name: string, value: string): void {
  try {
    settings.take(name, value);
  } catch (error) {
    throw error instanceof ExitError ? invalid(error.message) : error;
  }
}

function isOn(value: unknown): boolean {
  return value === 'on' || value === 'yes' || value === 'true' || value === 'y' || value === true;
}

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message);
}
