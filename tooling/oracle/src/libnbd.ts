// The programs of libnbd.
import { run, type RunOptions, type RunResult } from './run.js';
import { succeed } from './qemu-img.js';
import { needTool } from './tools.js';

/** One export as nbdinfo sees it; its further fields are as nbdinfo names them. */
export interface NbdExportInfo {
  readonly 'export-name': string;
  readonly 'export-size': number;
  readonly is_read_only?: boolean;
  readonly can_multi_conn?: boolean;
  readonly contexts?: readonly string[];
  readonly [field: string]: unknown;
}

/** What `nbdinfo --json` prints. */
export interface NbdInfo {
  readonly protocol: string;
  readonly TLS: boolean;
  readonly exports: readonly NbdExportInfo[];
}

/** The URI of an export behind a unix socket. */
export function nbdUri(socket: string, exportName = ''): string {
  return `nbd+unix:///${encodeURIComponent(exportName)}?socket=${socket}`;
}

/**
 * Asks a server what it exports.
 * @param args - further options, such as `--list`
 * @throws Error with nbdinfo's own words if it fails.
 */
export async function nbdinfo(uri: string, ...args: readonly string[]): Promise<NbdInfo> {
  const { stdout } = succeed(await run(needTool('nbdinfo'), ['--json', ...args, uri]));
  return JSON.parse(stdout) as NbdInfo;
}

/** Copies between files and NBD URIs; a non-zero exit is a result. */
export function nbdcopy(args: readonly string[], options?: RunOptions): Promise<RunResult> {
  return run(needTool('nbdcopy'), args, options);
}
