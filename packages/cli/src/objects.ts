/** `--object` of a command line: secrets, credentials for TLS, and groups that share limits. */
import { BlockError, errnoOf, strerror, type GraphOptions, type SecretLookup } from '@blk/core-graph';
import type { TlsObjectCredentials } from '@blk/nbd';
import { QmpError, parseKeyval } from '@blk/qapi-types';
import { parseJson } from '@blk/qapi-types/json';
import { isIdentifier, NO_IDENTIFIER, readThrottleGroup, type ThrottleGroupOption } from './throttle-groups.js';

type Endpoint = TlsObjectCredentials['endpoint'];
type CredentialsOf<E extends Endpoint> = Extract<TlsObjectCredentials, { endpoint: E }>['credentials'];

/** The objects of a command line. */
export class ToolObjects {
  /** What the graph is made with. */
  readonly options: Pick<GraphOptions, 'secrets' | 'credentials'>;
  readonly throttleGroups: ThrottleGroupOption[] = [];
  /** By id; undefined for what is no credentials. */
  readonly #tls = new Map<string, TlsObjectCredentials | undefined>();

  constructor(secrets?: SecretLookup) {
    this.options = { credentials: (id) => this.credentials(id, 'client'), ...(secrets === undefined ? {} : { secrets }) };
  }

  /** Keeps an object's id. Throws where there is one already. */
  add(id: string, tls?: TlsObjectCredentials): void {
    if (this.#tls.has(id)) throw new BlockError('exists', `attempt to add duplicate property '${id}' to object (type 'container')`);
    this.#tls.set(id, tls);
  }

  /** The credentials for TLS of this id, for one side. Throws in QEMU's words where there are none. */
  credentials<E extends Endpoint>(id: string, endpoint: E): CredentialsOf<E> {
    if (!this.#tls.has(id)) throw new BlockError('not-found', `No TLS credentials with id '${id}'`);
    const found = this.#tls.get(id);
    if (found === undefined) throw new BlockError('invalid-argument', `Object with id '${id}' is not TLS credentials`);
    if (found.endpoint !== endpoint) throw new BlockError('invalid-argument', `Expected TLS credentials for a ${endpoint} endpoint`);
    return found.credentials as CredentialsOf<E>;
  }
}

/** Types of objects that the reference tools know besides. */
const OTHERS = ['authz-list', 'authz-list-file', 'authz-pam', 'authz-simple', 'iothread', 'main-loop', 'secret_keyring', 'tls-cipher-suites'];

/** Makes the objects that the texts describe, one after the other. Throws a `BlockError` in the words of the reference tools. */
export async function readObjects(texts: readonly string[]): Promise<ToolObjects> {
  // Most command lines have none.
  if (texts.length === 0) return new ToolObjects();
  const { parseSecretObject, secretBytes, SecretStore } = await import('@blk/crypto');
  const store = new SecretStore();
  const objects = new ToolObjects(store.lookup);
  for (const text of texts) {
    const { 'qom-type': type, ...members } = parseObject(text);
    if (type === undefined) throw new BlockError('invalid-argument', "Parameter 'qom-type' is missing");
    if (typeof type !== 'string') throw new BlockError('invalid-argument', "Invalid parameter type for 'qom-type', expected: string");
    if (type === 'secret') {
      const { id, options } = parseSecretObject(members);
      const bytes = await secretBytes(options, readSecret, store.lookup);
      objects.add(id);
      store.add(id, bytes);
    } else if (type === 'throttle-group') {
      const group = await readThrottleGroup(text);
      objects.add(group[0]);
      objects.throttleGroups.push(group);
    } else if (type.startsWith('tls-creds-')) {
      await addTls(objects, text, store.lookup);
    } else if (OTHERS.includes(type)) {
      throw new BlockError('unsupported', `Objects of type '${type}' are not supported`);
    } else {
      throw new BlockError('invalid-argument', `Parameter 'qom-type' does not accept value '${type}'`);
    }
  }
  return objects;
}

async function addTls(objects: ToolObjects, text: string, secret: SecretLookup): Promise<void> {
  const [{ loadTlsObject }, { parseOptions }] = await Promise.all([import('@blk/nbd'), import('@blk/qapi-types')]);
  const options = inWords(() => parseOptions('ObjectOptions', text, 'qom-type'));
  if (options['qom-type'] === 'secret' || options['qom-type'] === 'throttle-group') return;
  if (!isIdentifier(options.id)) throw new BlockError('invalid-argument', NO_IDENTIFIER);
  objects.add(options.id, await loadTlsObject(options, secret));
}

function parseObject(text: string): Record<string, unknown> {
  return inWords(() => (text.startsWith('{') ? (parseJson(text) as Record<string, unknown>) : parseKeyval(text, 'qom-type')));
}

function inWords<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    throw new BlockError('invalid-argument', error.message);
  }
}

async function readSecret(file: string): Promise<Uint8Array> {
  try {
    // Loaded when there is a file of secrets, as there rarely is.
    const { readFile } = await import('node:fs/promises');
    return await readFile(file);
  } catch (error) {
    const reason = strerror(errnoOf(error));
    throw new BlockError('invalid-argument', `Unable to read ${file}: Failed to open file “${file}”: ${reason}`, { filename: file }, error);
  }
}
