/** The graph of a program: all drivers, warnings to standard error, and the policy for images. */
import { BlockGraph, TRUSTED, UNTRUSTED, type BlockDriver, type Host } from '@blk/core-graph';
import { archipelago } from '@blk/drivers-archipelago';
import { blkdebug } from '@blk/drivers-blkdebug';
import { blkverify } from '@blk/drivers-blkverify';
import { cloop } from '@blk/drivers-cloop';
import { bochs } from '@blk/drivers-bochs';
import { dmg } from '@blk/drivers-dmg';
import { copyOnRead } from '@blk/drivers-copy-on-read';
import { file, fileDrivers, hostCdrom, hostDevice, hostFloppy } from '@blk/drivers-file';
import { ftp, ftps } from '@blk/drivers-ftp';
import { httpDrivers, proxyFromEnvironment } from '@blk/drivers-http';
import { luks } from '@blk/drivers-luks';
import { nbd } from '@blk/drivers-nbd';
import { nullAio, nullCo } from '@blk/drivers-null';
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
import { makeThrottleGroups } from './throttle-groups.js';
import type { Tool } from './tool.js';

/** They go through the proxies that the environment names, as with curl. */
const { http, https } = httpDrivers({ proxy: proxyFromEnvironment(process.env) });

/** What command lines can name; images in memory have no name. */
export const DRIVERS: readonly BlockDriver[] = [file, hostDevice, hostCdrom, hostFloppy, nbd, vvfat, ssh, ftp, ftps, tftp, http, https, archipelago, nullCo, nullAio, blkdebug, blkverify, raw, qcow2, luks, vpc, vhdx, vmdk, vdi, parallels, cloop, bochs, dmg, qcow, qed, throttle, copyOnRead, quorum];

/** The drivers; one that only looks at images need not ask for the list of locks again. */
function driversOf({ io: { lockList } }: Tool): readonly BlockDriver[] {
  if (lockList === undefined) return DRIVERS;
  const early = fileDrivers({ lockList });
  return [early.file, early.hostDevice, early.hostCdrom, early.hostFloppy, ...DRIVERS.slice(4)];
}

/** For commands that are over at once: the clock that is there already; the one of the web takes 1 ms to load. */
export const BRIEF: Partial<Host> = {
  now: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e9 + nanoseconds;
  },
};

export function makeGraph(tool: Tool, options: { readonly untrusted?: boolean; readonly host?: Partial<Host> } = {}): BlockGraph {
  const graph = new BlockGraph({
    drivers: driversOf(tool),
    ...tool.objects?.options,
    policy: options.untrusted === true ? UNTRUSTED : TRUSTED,
    host: {
      warn: (message) => {
        const text = message.startsWith('warning: ') ? `${tool.name}: ${message}` : message;
        tool.io.err(text.endsWith('\n') ? text : `${text}\n`);
      },
      ...options.host,
    },
  });
  makeThrottleGroups(graph, tool.objects?.throttleGroups ?? []);
  return graph;
}
