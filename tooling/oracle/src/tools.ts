// Which reference tools this machine has, and what a test does when one is missing.
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A reference program that tests may ask for. */
export type ToolName =
  | 'block-curl.so'
  | 'block-ssh.so'
  | 'bximage'
  | 'cc'
  | 'create_compressed_fs'
  | 'dmg2img'
  | 'extract_compressed_fs'
  | 'chromium-headless-shell'
  | 'fio'
  | 'fsck.fat'
  | 'gnt-instance'
  | 'in.tftpd'
  | 'lighttpd'
  | 'mkfs.ext4'
  | 'mtools'
  | 'nbdcopy'
  | 'nbdinfo'
  | 'nbdkit'
  | 'nbdsh'
  | 'nginx'
  | 'openssl'
  | 'pyftpdlib/servers.py'
  | 'pyqcow'
  | 'pyvhdi'
  | 'pyvmdk'
  | 'qemu-img'
  | 'qemu-io'
  | 'qemu-nbd'
  | 'qemu-storage-daemon'
  | 'sfdisk'
  | 'ssh-add'
  | 'ssh-agent'
  | 'ssh-keygen'
  | 'sshd'
  | 'tinyproxy'
  | 'vsftpd'
  | '7zz';

/** What `skipUnless` found. Hand `skip` to `describe.skipIf`, and give the block `title(…)` as its name. */
export interface Requirement {
  readonly skip: boolean;
  /** Empty when nothing is missing. */
  readonly reason: string;
  /** The name, with the reason behind it if the block will be skipped. */
  title(name: string): string;
}

/** The path of a tool, or undefined if this machine does not have it. A name that ends in `.so` is a module of QEMU's, one that begins with `py` one of Python's. */
export function findTool(name: ToolName): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  const isModule = /^py|\.so$/.test(name);
  // Debian keeps some of the programs where only root looks, and Ganeti's in a folder of their version.
  const places = isModule ? MODULES : [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/share/ganeti/3.0'];
  for (const place of places) {
    const path = join(place, isModule ? fileOfModule(place, name) : name);
    if (place !== '' && isAccessible(path, isModule ? constants.R_OK : constants.X_OK)) {
      found.set(name, path);
      return path;
    }
  }
  return undefined;
}

/**
 * Says whether a test that needs these tools must be skipped, and why.
 * @throws Error if a tool is missing and `BLK_REQUIRE_ORACLES` is 1, as it is in CI.
 */
export function skipUnless(...names: readonly ToolName[]): Requirement {
  const missing = names.filter((name) => findTool(name) === undefined);
  const reason = missing.length === 0 ? '' : `${missing.join(', ')} not installed`;
  if (reason !== '' && process.env['BLK_REQUIRE_ORACLES'] === '1') {
    throw new Error(`${reason}, and BLK_REQUIRE_ORACLES=1 asks for every reference tool`);
  }
  return {
    skip: missing.length > 0,
    reason,
    title: (name) => (reason === '' ? name : `${name} (skipped: ${reason})`),
  };
}

/** The path of a tool that the caller cannot do without. */
export function needTool(name: ToolName): string {
  const path = findTool(name);
  if (path === undefined) throw new Error(`${name} is not installed: guard the test with skipUnless('${name}')`);
  return path;
}

const found = new Map<ToolName, string>();

/** Where distributions put them. */
const MODULES = ['/usr/lib/python3/dist-packages', '/usr/lib/x86_64-linux-gnu/qemu', '/usr/lib/aarch64-linux-gnu/qemu', '/usr/lib64/qemu', '/usr/lib/qemu'];

/** A compiled module of Python has its version in its file's name. */
function fileOfModule(place: string, name: string): string {
  if (name.includes('.')) return name;
  try {
    return readdirSync(place).find((file) => file.startsWith(`${name}.`)) ?? name;
  } catch {
    return name;
  }
}

function isAccessible(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}
