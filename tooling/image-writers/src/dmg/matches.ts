/** Finding what was there before: runs of literals and the matches behind them, for the encoders that need them. */

/** `literals` bytes as they are, then `length` bytes that stand `distance` before; both may be 0. */
export interface Piece {
  readonly literals: number;
  readonly length: number;
  readonly distance: number;
}

export interface MatchLimits {
  readonly literals: number;
  readonly shortest: number;
  readonly longest: number;
  readonly distance: number;
}

/** The pieces of `content`, greedily. */
export function findPieces(content: Uint8Array, limits: MatchLimits): Piece[] {
  const seen = new Map<number, number>();
  const pieces: Piece[] = [];
  let begun = 0;
  for (let at = 0; at < content.length; ) {
    const length = at + 4 <= content.length ? matchAt(content, at, seen, limits) : undefined;
    if (length === undefined) {
      at++;
      if (at - begun < limits.literals && at < content.length) continue;
      pieces.push({ literals: at - begun, length: 0, distance: 0 });
    } else {
      pieces.push({ literals: at - begun, ...length });
      at += length.length;
    }
    begun = at;
  }
  return pieces;
}

function matchAt(content: Uint8Array, at: number, seen: Map<number, number>, { shortest, longest, distance }: MatchLimits): Omit<Piece, 'literals'> | undefined {
  const key = content[at] | (content[at + 1] << 8) | (content[at + 2] << 16) | (content[at + 3] << 24);
  const before = seen.get(key);
  seen.set(key, at);
  if (before === undefined || at - before > distance) return undefined;
  let length = 4;
  while (length < longest && at + length < content.length && content[before + length] === content[at + length]) length++;
  return length < shortest ? undefined : { length, distance: at - before };
}
