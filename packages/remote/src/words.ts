/** Text of other machines and of users, as errors may show it. */

/** What another machine says, without what would disturb a terminal, and no longer than `most` characters. */
export function printable(text: string, most = 200): string {
  return text.slice(0, most).replace(/\p{Cc}/gu, '?');
}

/**
 * A URL, readable or not, whose password nobody sees. One that has a slash, as it stands, ends the host: what is no port behind a colon is taken for one
 * up to the last `@`.
 */
export function withoutPassword(url: string): string {
  return url.replace(/^([^/?#]*:\/\/[^/?#:@]*):(?:[^/?#]*@|(?!\d*(?:[/?#]|$)).*@)/s, '$1:***@');
}
