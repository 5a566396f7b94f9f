// The built product as a user runs it: its programs, its daemon with a monitor, and a client for its exports.
export { blk, startDaemon, type Daemon, type DaemonOptions } from './programs.js';
export { NbdTestClient } from './nbd-client.js';
export { cloudImage, type CloudImage } from './cloud-image.js';
export { canMount, smallDisk, type SmallDisk } from './small-disk.js';
export { BLOCK, Versions, verifyVersions, writeUntilCut } from './versions.js';
export { Guest } from './torture/guest.js';
export { DEVICE, Disk, examine, nodeOf } from './torture/disk.js';
export { faultyFile } from './torture/faults.js';
export { CHILDREN, Copies, type Child, type Definition, type Spare } from './copies.js';
export { backups, type Restorable } from './torture/backups.js';
export { installPacked, pack, ROOT, succeed, withDependencies } from './packing.js';
export { FORMATS, makeImages, type FormatImage } from './format-images.js';
export { runInBrowser } from './browser.js';
