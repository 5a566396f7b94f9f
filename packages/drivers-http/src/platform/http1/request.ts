/** The words of a request (RFC 9112, section 3). */
import { httpError } from '../../errors.js';

/** A GET without a body. `target`: a path, or for proxies a whole URL. Throws where a value has characters that no header may have. */
export function requestText(target: string, headers: Readonly<Record<string, string>>): string {
  let text = `GET ${target} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    // Anything else would be headers of its own.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw httpError('invalid-argument', 'header', `The header '${name}' has characters that cannot be sent`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
