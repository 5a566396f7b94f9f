/**
 * What is asked of drives whose media people change: the system calls behind one small interface, which tests replace.
 * Numbers of requests are those of Linux (`linux/cdrom.h`, `linux/fd.h`).
 */
import { closeFile, openHostFile } from '../host-file.js';
import { isCode } from '../errors.js';
import type { Native } from '../native/native.js';

/** One kind of drive. Results of `lock` and `moveTray` are the system's: 0, or the negative errno. */
export interface DriveCalls {
  /** Whether a medium is in; undefined where that cannot be told. */
  inserted(fd: number, filename: string): Promise<boolean | undefined>;
  lock(fd: number, locked: boolean): Promise<number>;
  moveTray(fd: number, open: boolean): Promise<number>;
}

export type DriveKind = 'cdrom' | 'floppy';

/** The calls for a kind of drive. */
export function driveCalls(kind: DriveKind, native: Native): DriveCalls {
  return kind === 'cdrom' ? cdrom(native) : floppy(native);
}

/** Whether a medium can be opened: that fails where there is none, and lets the kernel see which one it is. */
export async function canOpen(filename: string): Promise<boolean> {
  try {
    await closeFile((await openHostFile(filename, { write: false, direct: false })).fd);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOMEDIUM', 'ENXIO')) return false;
    throw error;
  }
}

const CDROMEJECT = 0x5309;
const CDROMCLOSETRAY = 0x5319;
const CDROM_DRIVE_STATUS = 0x5326;
const CDROM_LOCKDOOR = 0x5329;
/** The disc that is in, for drives with several. */
const CDSL_CURRENT = 0x7fff_ffff;
const CDS_NO_INFO = 0;
const CDS_DISC_OK = 4;
const FDEJECT = 0x025a;

function cdrom(native: Native): DriveCalls {
  return {
    async inserted(fd) {
      const status = await native.control(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT);
      // What is no such drive has no disc.
      return status === CDS_NO_INFO ? undefined : status === CDS_DISC_OK;
    },
    lock: (fd, locked) => native.control(fd, CDROM_LOCKDOOR, Number(locked)),
    moveTray: (fd, open) => native.control(fd, open ? CDROMEJECT : CDROMCLOSETRAY, 0),
  };
}

function floppy(native: Native): DriveCalls {
  return {
    inserted: (_fd, filename) => canOpen(filename),
    // Such drives have no bolt, and nothing that pulls a disk in.
    lock: async () => 0,
    moveTray: async (fd, open) => (open ? native.control(fd, FDEJECT, 0) : 0),
  };
}
