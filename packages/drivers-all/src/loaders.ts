/** Each driver by its name, loaded when it is asked for: a program that opens one raw image need not load the others. */
import type { BlockDriver } from '@blk/core-graph';

/** Driver name to a function that loads it. */
export const driverLoaders = {
  file: async () => (await import('@blk/drivers-file')).file,
  host_device: async () => (await import('@blk/drivers-file')).hostDevice,
  host_cdrom: async () => (await import('@blk/drivers-file')).hostCdrom,
  host_floppy: async () => (await import('@blk/drivers-file')).hostFloppy,
  nbd: async () => (await import('@blk/drivers-nbd')).nbd,
  ssh: async () => (await import('@blk/drivers-ssh')).ssh,
  vvfat: async () => (await import('@blk/drivers-vvfat')).vvfat,
  http: async () => (await import('@blk/drivers-http')).http,
  https: async () => (await import('@blk/drivers-http')).https,
  ftp: async () => (await import('@blk/drivers-ftp')).ftp,
  ftps: async () => (await import('@blk/drivers-ftp')).ftps,
  tftp: async () => (await import('@blk/drivers-tftp')).tftp,
  archipelago: async () => (await import('@blk/drivers-archipelago')).archipelago,
  'null-co': async () => (await import('@blk/drivers-null')).nullCo,
  'null-aio': async () => (await import('@blk/drivers-null')).nullAio,
  blkdebug: async () => (await import('@blk/drivers-blkdebug')).blkdebug,
  blkverify: async () => (await import('@blk/drivers-blkverify')).blkverify,
  quorum: async () => (await import('@blk/drivers-quorum')).quorum,
  blob: async () => (await import('@blk/drivers-blob')).blob,
  raw: async () => (await import('@blk/drivers-raw')).raw,
  qcow2: async () => (await import('@blk/drivers-qcow2')).qcow2,
  luks: async () => (await import('@blk/drivers-luks')).luks,
  vhdx: async () => (await import('@blk/drivers-vhdx')).vhdx,
  vmdk: async () => (await import('@blk/drivers-vmdk')).vmdk,
  vpc: async () => (await import('@blk/drivers-vpc')).vpc,
  vdi: async () => (await import('@blk/drivers-vdi')).vdi,
  parallels: async () => (await import('@blk/drivers-parallels')).parallels,
  throttle: async () => (await import('@blk/drivers-throttle')).throttle,
  'copy-on-read': async () => (await import('@blk/drivers-copy-on-read')).copyOnRead,
  qed: async () => (await import('@blk/drivers-qed')).qed,
  qcow: async () => (await import('@blk/drivers-qcow')).qcow,
  cloop: async () => (await import('@blk/drivers-cloop')).cloop,
  bochs: async () => (await import('@blk/drivers-bochs')).bochs,
  dmg: async () => (await import('@blk/drivers-dmg')).dmg,
} satisfies Record<string, () => Promise<BlockDriver>>;

/** Names of all drivers. */
export const driverNames: readonly string[] = Object.keys(driverLoaders);
