/** NBD URIs, as `doc/uri.md` of the nbd project defines them. */

/** Where an export is found. Exactly one of `path` and `host`. */
export interface NbdAddress {
  /** A unix socket. */
  readonly path?: string;
  readonly host?: string;
  /** TCP port; 10809 unless given. */
  readonly port?: number;
  readonly exportName?: string;
  readonly tls?: boolean;
}

export const NBD_PORT = 10809;

/** The URI of an export: `nbd://host:port/name`, `nbd+unix:///name?socket=path`, and `nbds…` with TLS. */
export function nbdUri(address: NbdAddress): string {
  const { path, host = 'localhost', port = NBD_PORT, exportName = '', tls = false } = address;
  const scheme = tls ? 'nbds' : 'nbd';
  const name = encodeURIComponent(exportName);
  if (path !== undefined) return `${scheme}+unix:///${name}?socket=${encodeURIComponent(path).replaceAll('%2F', '/')}`;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return `${scheme}://${shownHost}${port === NBD_PORT ? '' : `:${port}`}/${name}`;
}
