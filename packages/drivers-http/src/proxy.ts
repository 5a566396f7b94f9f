/** Which proxy a URL goes through, by the variables that curl reads. */

/**
 * `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` as curl takes them: in small letters, or, all but the first, in capitals.
 * Gives what `httpDrivers` takes as its `proxy`.
 */
export function proxyFromEnvironment(env: Readonly<Record<string, string | undefined>>): (url: URL) => string | undefined {
  const read = (name: string): string | undefined => env[name] || env[name.toUpperCase()] || undefined;
  return (url) => {
    // A web server hands the header `Proxy` to its programs as HTTP_PROXY, which is why that one is not read.
    const proxy = (url.protocol === 'https:' ? read('https_proxy') : env['http_proxy'] || undefined) ?? read('all_proxy');
    if (proxy === undefined || isExempt(url.hostname, read('no_proxy') ?? '')) return undefined;
    return proxy.includes('://') ? proxy : `http://${proxy}`;
  };
}

function isExempt(hostname: string, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return list.split(/[\s,]+/).some((entry) => {
    const name = entry.toLowerCase().replace(/^\./, '');
    return name === '*' || (name !== '' && (host === name || host.endsWith(`.${name}`)));
  });
}
