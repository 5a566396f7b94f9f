/** `XsegTransport` by the libxseg of this machine. */
import { segmentError } from '../errors.js';
import type { OpenTransport } from '../transport.js';
import { loadXseg } from './library.js';
import { NativePort } from './port.js';
import { joinSegment } from './segment.js';
import { WakeUps } from './wake-ups.js';

/** @param library - its path or name; undefined: wherever the system has it */
export function nativeTransport(library: string | undefined): OpenTransport {
  return async (name, wake) => {
    const xseg = await loadXseg(library);
    const segment = joinSegment(xseg, name);
    const undo = [() => { segment.leave(); }];
    try {
      const port = xseg.bindDynport(segment.address);
      if (port === 0) throw segmentError(name, 'all of its ports are taken');
      undo.unshift(() => { xseg.leaveDynport(segment.address, port); });
      const portno = xseg.portno(segment.address, port);
      if (xseg.initLocalSignal(segment.address, portno) < 0) throw segmentError(name, `no signals can be had at port ${portno}`);
      undo.unshift(() => { xseg.quitLocalSignal(segment.address, portno); });
      const wakeUps = WakeUps.open(xseg, xseg.signalDesc(segment.address, port), wake);
      xseg.prepareWait(segment.address, portno);
      return new NativePort({ xseg, segment, port, portno, wakeUps, name });
    } catch (error) {
      for (const step of undo) step();
      throw error;
    }
  };
}
