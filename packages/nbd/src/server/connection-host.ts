/** The server as its connections see it. */
import type { Connection } from './connection.js';
import type { NbdExport } from './export.js';
import type { NbdLimits } from './limits.js';
import type { Slabs } from './slab.js';
import type { NbdTls } from './tls.js';

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly limits: NbdLimits;
  readonly slabs: Slabs;
  readonly tls: NbdTls | undefined;
  readonly closing: boolean;
  find(name: string): NbdExport | undefined;
  list(): readonly NbdExport[];
  /** The client is past its handshake. */
  entered(connection: Connection): void;
}
