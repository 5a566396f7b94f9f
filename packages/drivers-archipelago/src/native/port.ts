/** A bound port: requests go into the segment's memory and come back from there. */
import { segmentError } from '../errors.js';
import type { XsegReply, XsegRequest, XsegTransport } from '../transport.js';
import { NO_PORT, type Xseg } from './library.js';
import { RequestHeader } from './request-header.js';
import type { Segment } from './segment.js';
import type { WakeUps } from './wake-ups.js';

interface Parts {
  readonly xseg: Xseg;
  readonly segment: Segment;
  /** Address of the port, and its number. */
  readonly port: number;
  readonly portno: number;
  readonly wakeUps: WakeUps;
  /** Of the segment, for messages. */
  readonly name: string;
}

/** To the library: memory may be taken from the segment for this. */
const ALLOCATE = 1;

export class NativePort implements XsegTransport {
  readonly #header: RequestHeader;
  readonly #address: number;
  #checked = false;

  constructor(private readonly parts: Parts) {
    this.#header = new RequestHeader(parts.xseg);
    this.#address = parts.segment.address;
  }

  submit(request: XsegRequest): number | undefined {
    const { xseg, portno, name } = this.parts;
    const id = xseg.getRequest(this.#address, portno, request.port, ALLOCATE);
    if (id === 0) return undefined;
    let went = false;
    try {
      if (xseg.prepRequest(this.#address, id, request.target.length, request.length) < 0) return undefined;
      this.#fill(id, request);
      went = xseg.submit(this.#address, id, portno, ALLOCATE) !== NO_PORT;
      if (!went) throw segmentError(name, `port ${request.port} takes no requests`);
    } finally {
      if (!went) xseg.putRequest(this.#address, id, portno);
    }
    // A peer that is not there cannot be woken, and does not answer: that is noticed by waiting.
    xseg.signal(this.#address, request.port);
    return id;
  }

  receive(): XsegReply | undefined {
    const { xseg, portno } = this.parts;
    const id = xseg.receive(this.#address, portno, 0);
    if (id === 0) return undefined;
    const { state, serviced, dataLength } = this.#header.load(id);
    return {
      id,
      state,
      serviced,
      length: dataLength,
      // Where the data is may have changed: a peer may give the request other memory.
      copy: (into, start, length) => { xseg.peek(xseg.data(this.#address, id), into, start, length); },
      release: () => { xseg.putRequest(this.#address, id, portno); },
    };
  }

  nudge(port: number): void {
    this.parts.xseg.prepareWait(this.#address, this.parts.portno);
    this.parts.xseg.signal(this.#address, port);
  }

  async close(unanswered: boolean): Promise<void> {
    const { xseg, segment, port, portno, wakeUps } = this.parts;
    await wakeUps.close();
    xseg.quitLocalSignal(this.#address, portno);
    // Whoever bound it next would get our answers.
    if (!unanswered) xseg.leaveDynport(this.#address, port);
    segment.leave();
  }

  #fill(id: number, request: XsegRequest): void {
    const { xseg } = this.parts;
    const target = xseg.target(this.#address, id);
    const data = request.length > 0 || !this.#checked ? xseg.data(this.#address, id) : 0;
    if (!this.#checked) {
      this.#header.load(id).check({ targetLength: request.target.length, length: request.length, data, target });
      this.#checked = true;
    }
    xseg.poke(target, request.target, 0, request.target.length);
    if (request.from !== undefined && request.length > 0) xseg.poke(data, request.from, request.start, request.length);
    this.#header.store(id, request);
  }
}
