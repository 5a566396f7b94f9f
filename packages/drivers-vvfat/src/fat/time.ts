/** Times as FAT keeps them: local time, steps of two seconds, from 1980 to 2107. */

export interface FatTime {
  /** Years since 1980, month and day: 7, 4 and 5 bits. */
  readonly date: number;
  /** Hours, minutes and half the seconds: 5, 6 and 5 bits. */
  readonly time: number;
}

export function encodeTime(milliseconds: number): FatTime {
  const when = new Date(milliseconds);
  const year = when.getFullYear();
  if (Number.isNaN(year) || year < 1980) return { date: 0x21, time: 0 };
  if (year > 2107) return { date: 0xff9f, time: 0xbf7d };
  return {
    date: ((year - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate(),
    time: (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1),
  };
}

/** Milliseconds since 1970, or undefined for what is no time. */
export function parseTime({ date, time }: FatTime): number | undefined {
  const [month, day] = [(date >> 5) & 15, date & 31];
  const [hour, minute, second] = [time >> 11, (time >> 5) & 63, (time & 31) * 2];
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  return new Date(1980 + (date >> 9), month - 1, day, hour, minute, second).getTime();
}
