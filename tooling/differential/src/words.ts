// Takes a script's line apart into words, by the part of a shell's rules that scripts need.

export interface CommandWords {
  readonly words: readonly string[];
  /** What stands behind `<<<`, for standard input; `\n` in it is a line's end. */
  readonly input: string | undefined;
}

/** Words are split at blanks; single and double quotes keep blanks. Throws where a quote is not closed. */
export function splitWords(line: string): CommandWords {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (char === ' ') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      const end = line.indexOf(char, i + 1);
      if (end < 0) throw new Error(`a quote is not closed: ${line}`);
      word = (word ?? '') + line.slice(i + 1, end);
      i = end;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  const at = words.indexOf('<<<');
  if (at < 0) return { words, input: undefined };
  return { words: words.slice(0, at), input: words.slice(at + 1).join(' ').replaceAll('\\n', '\n') };
}

/** The inverse for one word: quoted where it needs to be. */
export function quote(word: string): string {
  if (/^[^\s'"]+$/.test(word)) return word;
  return word.includes('"') ? `'${word}'` : `"${word}"`;
}
