// What errors may show of servers and of URLs.
import { describe, expect, it } from 'vitest';
import { decodedBytes, printable, withoutPassword } from '../src/index.js';

describe('words', () => {
  it.each([
    ['http://me:geheim@h/x', 'http://me:***@h/x'],
    ['ftp://me:a@b:c@h:21/x', 'ftp://me:***@h:21/x'],
    ['http://:geheim@h/', 'http://:***@h/'],
    ['http://me:geheim@[bad', 'http://me:***@[bad'],
    ['http://me:ge/heim@h/x', 'http://me:***@h/x'],
    ['ftp://me:ge#h?e@im@h/x', 'ftp://me:***@h/x'],
    ['http://h:80/a:b@c', 'http://h:80/a:b@c'],
    ['http://h:80?a:b@c', 'http://h:80?a:b@c'],
    ['http://me@h:80/a:b@c', 'http://me@h:80/a:b@c'],
    ['http://h:80/', 'http://h:80/'],
    ['http://h/?q=a:b@c', 'http://h/?q=a:b@c'],
    ['/some/file:a@b', '/some/file:a@b'],
    ['', ''],
  ])('of the URL %s are %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });

  it('of servers are short, and disturb no terminal', () => {
    expect(printable('\u001b[31mred\r\n\u009b0m\0')).toBe('?[31mred???0m?');
    expect(printable('x'.repeat(1000)).length).toBe(200);
    expect(printable('Größe', 3)).toBe('Grö');
  });

  it('of names are bytes', () => {
    expect(decodedBytes('a%20b%e4%25%zz%')).toBe('a b\u00e4%%zz%');
    expect(Buffer.from(decodedBytes(new URL('ftp://h/Größe').pathname), 'latin1').toString()).toBe('/Größe');
  });
});
