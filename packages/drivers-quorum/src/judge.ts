/** The judge of a quorum: which results and contents have enough votes, who is told of those that lost, and how they are put right. */
import { firstDifference, Together, type Completion, type Edge, type Failures, type OpenContext } from '@blk/core-graph';
import { unanimous, unanimousInTurns, versionsOf, votedError, type Content } from './answers.js';
import { quorumError } from './errors.js';
import type { Rules } from './options.js';

/** Where bytes lie. */
export type Place = Pick<Content, 'bytes' | 'start'>;

export type Operation = 'read' | 'write' | 'flush';

export class Judge {
  constructor(
    private readonly quorum: { readonly children: readonly Edge[] },
    private readonly rules: Rules,
    private readonly context: Pick<OpenContext, 'quorum' | 'warn'>,
  ) {}

  /** Most votes are over when all are found to be the same. */
  async contentsInTurns(contents: readonly Content[], failures: Failures | undefined, into: Place, offset: number, length: number): Promise<void> {
    if (failures === undefined && (await unanimousInTurns(contents, length))) return;
    await this.contents(contents, failures, into, offset, length);
  }

  /** Puts what won where the bytes are wanted. */
  contents(contents: readonly Content[], failures: Failures | undefined, { bytes: buffer, start }: Place, offset: number, length: number): Completion {
    if (failures === undefined && unanimous(contents, length)) return;
    this.results('read', failures, offset, length);
    const [winner, ...others] = versionsOf(contents.filter(({ index }) => failures?.[index] === undefined), length);
    if (others.length > 0 && this.rules.blkverify) throw this.#mismatch(offset, length, winner, others[0]);
    if (winner.indexes.length < this.rules.threshold) throw this.#failed(offset, length);
    const losers = others.flatMap(({ indexes }) => indexes);
    for (const index of losers) this.reportBad('read', this.quorum.children[index], offset, length);
    if (winner.bytes !== buffer) buffer.set(winner.bytes.subarray(winner.start, winner.start + length), start);
    if (this.rules.rewrite && losers.length > 0) return this.#rewrite(losers, offset, buffer, start, length);
  }

  /** Gives losers the content that won; what can't be put right is told, and no reason for the read to fail. */
  async #rewrite(losers: readonly number[], offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const children = losers.map((index) => this.quorum.children[index]);
    const failures = await new Together().ask(children, (child) => child.write(offset, buffer, start, length));
    failures?.forEach((error, at) => { if (error !== undefined) this.reportBad('write', children[at], offset, length, error); });
  }

  /** Tells of the children that failed; throws where fewer did it than have to agree. */
  results(operation: Operation, failures: Failures | undefined, offset: number, length: number): void {
    if (failures === undefined) return;
    let done = 0;
    for (const [index, error] of failures.entries()) {
      if (error === undefined) done++;
      else this.reportBad(operation, this.quorum.children[index], offset, length, error);
    }
    if (done >= this.rules.threshold) return;
    // Of a flush that failed only the copies are told of, as in QEMU.
    if (operation !== 'flush') this.context.quorum({ what: 'failure', offset, length });
    throw votedError(failures) ?? quorumError({ what: 'no-quorum', offset, length });
  }

  #failed(offset: number, length: number): Error {
    this.context.quorum({ what: 'failure', offset, length });
    return quorumError({ what: 'no-quorum', offset, length });
  }

  #mismatch(offset: number, length: number, a: Place, b: Place): Error {
    const at = offset + firstDifference(a.bytes, a.start, b.bytes, b.start, length);
    const error = quorumError({ what: 'mismatch', offset, length, at });
    this.context.warn(error.message);
    return error;
  }

  /** `QUORUM_REPORT_BAD`, as servers call it; no error: other content than most. */
  reportBad(operation: Operation, child: Edge, offset: number, length: number, error?: Error): void {
    this.context.quorum({ what: 'bad', operation, child: child.node.name, ...(error === undefined ? {} : { error }), offset, length });
  }
}
