/** The tokens of JSON, byte by byte: kinds of bytes, and the states of a number. */

/** Kinds of bytes. Unlisted ones start no token. */
export const enum Byte {
  Other,
  Blank,
  Quote,
  OpenObject,
  CloseObject,
  OpenList,
  CloseList,
  Separator,
  Minus,
  Zero,
  Digit,
  Letter,
}

/** What the scanner is within. */
export const enum State {
  Start,
  String,
  Escape,
  Keyword,
  Minus,
  Zero,
  Integer,
  Point,
  Fraction,
  Exponent,
  ExponentSign,
  ExponentDigits,
  /** After a stray character. */
  Recovery,
  /** After a limit was passed: to the end of the line. */
  Skip,
}

/** The kind of each byte. */
export const classes = new Uint8Array(256);
for (const char of ' \t\r\n') classes[char.charCodeAt(0)] = Byte.Blank;
for (const char of `"'`) classes[char.charCodeAt(0)] = Byte.Quote;
for (const char of ',:') classes[char.charCodeAt(0)] = Byte.Separator;
for (const char of '123456789') classes[char.charCodeAt(0)] = Byte.Digit;
for (let code = 0x61; code <= 0x7a; code += 1) classes[code] = Byte.Letter;
classes[0x2d] = Byte.Minus;
classes[0x30] = Byte.Zero;
classes[0x7b] = Byte.OpenObject;
classes[0x7d] = Byte.CloseObject;
classes[0x5b] = Byte.OpenList;
classes[0x5d] = Byte.CloseList;

/** The state that `code` leads to: `Start` if the number ended before it, `Recovery` if it spoils the number. */
export function afterNumber(state: State, code: number): State {
  const digit = code >= 0x30 && code <= 0x39;
  const exponent = code === 0x65 || code === 0x45;
  switch (state) {
    case State.Minus:
      return code === 0x30 ? State.Zero : digit ? State.Integer : State.Recovery;
    case State.Zero:
      return digit ? State.Recovery : code === 0x2e ? State.Point : exponent ? State.Exponent : State.Start;
    case State.Integer:
      return digit ? State.Integer : code === 0x2e ? State.Point : exponent ? State.Exponent : State.Start;
    case State.Point:
      return digit ? State.Fraction : State.Recovery;
    case State.Fraction:
      return digit ? State.Fraction : exponent ? State.Exponent : State.Start;
    case State.Exponent:
      return digit ? State.ExponentDigits : code === 0x2b || code === 0x2d ? State.ExponentSign : State.Recovery;
    case State.ExponentSign:
      return digit ? State.ExponentDigits : State.Recovery;
    default:
      return digit ? State.ExponentDigits : State.Start;
  }
}

/** Whether the token is whole if the text ends here. */
export function endsToken(state: State): boolean {
  return (
    state === State.Keyword ||
    state === State.Zero ||
    state === State.Integer ||
    state === State.Fraction ||
    state === State.ExponentDigits
  );
}
