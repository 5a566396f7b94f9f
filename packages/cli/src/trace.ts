/** `-T PATTERN` and `--trace=PATTERN`: there are no trace events here. */

/** What the reference says of an event that it does not know; undefined where the pattern names none by itself. */
export function traceWarning(pattern: string): string | undefined {
  const event = pattern.replace(/^enable=/, '').split(',', 1)[0];
  return event !== '' && !/[=*?]/.test(event) ? `warning: trace event '${event}' does not exist` : undefined;
}
