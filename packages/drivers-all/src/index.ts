/**
 * The list of all block drivers of the family.
 *
 * @packageDocumentation
 */
import type { BlockDriver } from '@blk/core-graph';
import { archipelago } from '@blk/drivers-archipelago';
import { blkdebug } from '@blk/drivers-blkdebug';
import { blkverify } from '@blk/drivers-blkverify';
import { cloop } from '@blk/drivers-cloop';
import { bochs } from '@blk/drivers-bochs';
import { dmg } from '@blk/drivers-dmg';
import { copyOnRead } from '@blk/drivers-copy-on-read';
import { file, hostCdrom, hostDevice, hostFloppy } from '@blk/drivers-file';
import { ftp, ftps } from '@blk/drivers-ftp';
import { http, https } from '@blk/drivers-http';
import { luks } from '@blk/drivers-luks';
import { nbd } from '@blk/drivers-nbd';
import { nullAio, nullCo } from '@blk/drivers-null';
import { blob } from '@blk/drivers-blob';
import { parallels } from '@blk/drivers-parallels';
import { qcow } from '@blk/drivers-qcow';
import { qcow2 } from '@blk/drivers-qcow2';
import { qed } from '@blk/drivers-qed';
import { quorum } from '@blk/drivers-quorum';
import { raw } from '@blk/drivers-raw';
import { ssh } from '@blk/drivers-ssh';
import { tftp } from '@blk/drivers-tftp';
import { throttle } from '@blk/drivers-throttle';
import { vdi } from '@blk/drivers-vdi';
import { vhdx } from '@blk/drivers-vhdx';
import { vmdk } from '@blk/drivers-vmdk';
import { vpc } from '@blk/drivers-vpc';
import { vvfat } from '@blk/drivers-vvfat';

/** Every driver: protocols, formats, filters. */
export const allDrivers: readonly BlockDriver[] = [file, hostDevice, hostCdrom, hostFloppy, nbd, vvfat, ssh, ftp, ftps, tftp, http, https, archipelago, nullCo, nullAio, blob, blkdebug, blkverify, raw, qcow2, luks, vpc, vhdx, vmdk, vdi, parallels, cloop, bochs, dmg, qcow, qed, throttle, copyOnRead, quorum];

export { driverLoaders, driverNames } from './loaders.js';
