/** Objects that options refer to by name: secrets, credentials for TLS, groups that share limits. */
import type { ClientCredentials, TlsCredentials, TlsObjectCredentials, TlsObjectOptions } from '@blk/nbd';
import type { ThrottleGroup } from '@blk/throttle';
import { genericError } from './errors.js';

export interface SecretObject {
  readonly type: 'secret';
  readonly id: string;
  readonly data: Uint8Array;
}

export type TlsObject = { readonly type: TlsObjectOptions['qom-type']; readonly id: string } & TlsObjectCredentials;

export interface ThrottleGroupObject {
  readonly type: 'throttle-group';
  readonly id: string;
  readonly group: ThrottleGroup;
}

export type ServerObject = SecretObject | TlsObject | ThrottleGroupObject;

/** No identifier begins so. */
const HIDDEN = '#';

function isHidden(id: string): boolean {
  return id.startsWith(HIDDEN);
}

export class Objects {
  readonly #objects = new Map<string, ServerObject>();
  #hidden = 0;

  add(object: ServerObject): void {
    this.checkFree(object.id);
    this.#objects.set(object.id, object);
  }

  /** Throws where there is an object of this id. */
  checkFree(id: string): void {
    if (this.#objects.has(id)) throw genericError(`attempt to add duplicate property '${id}' to object (type 'container')`);
  }

  delete(id: string): void {
    this.#objects.delete(id);
  }

  /** In the order in which they were added. */
  all(): readonly ServerObject[] {
    return [...this.#objects.values()].filter(({ id }) => !isHidden(id));
  }

  /** The object of this id; not one that is hidden. */
  named(id: string): ServerObject | undefined {
    return isHidden(id) ? undefined : this.#objects.get(id);
  }

  /** Keeps bytes as a secret under a name that no object can have; gives the name. They stay for as long as an image may be opened again. */
  hide(data: Uint8Array): string {
    const id = `${HIDDEN}secret${this.#hidden++}`;
    this.#objects.set(id, { type: 'secret', id, data });
    return id;
  }

  /** Takes back what `hide` kept. */
  forget(id: string): void {
    this.#objects.delete(id);
  }

  /** The bytes of a secret. */
  secret(id: string): Uint8Array {
    const object = this.#objects.get(id);
    if (object === undefined) throw genericError(`No secret with id '${id}'`);
    if (object.type !== 'secret') throw genericError(`Object with id '${id}' is not a secret`);
    return object.data;
  }

  /** Credentials that a server can show. `otherwise`: what is said of those of a client. */
  async serverCredentials(id: string, otherwise = 'Expecting TLS credentials with a server endpoint'): Promise<TlsCredentials> {
    const object = this.#tls(id);
    if (object.endpoint !== 'server') throw genericError(otherwise);
    return object.credentials;
  }

  /** Credentials with which to connect. */
  async clientCredentials(id: string): Promise<ClientCredentials> {
    const object = this.#tls(id);
    if (object.endpoint !== 'client') throw genericError('Expected TLS credentials for a client endpoint');
    return object.credentials;
  }

  #tls(id: string): TlsObject {
    const object = this.#objects.get(id);
    if (object === undefined) throw genericError(`No TLS credentials with id '${id}'`);
    if (object.type === 'secret' || object.type === 'throttle-group') throw genericError(`Object with id '${id}' is not TLS credentials`);
    return object;
  }
}
