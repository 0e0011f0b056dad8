const URLS = /\b(?:wss?|https?|amqps?|postgres(?:ql)?):\/\/[^\s"'<>]+/gi

/**
 * A URL that may be logged: scheme, host and port. Providers put keys into paths, queries and user names, so all of those
 * become `…`. Text that is no URL becomes `(invalid URL)`.
 */
export function redactUrl(url: string): string {
  if (!URL.canParse(url)) return '(invalid URL)'
  const { protocol, host, username, password, pathname, search, hash } = new URL(url)
  const rest = pathname === '/' ? search + hash : pathname
  return `${protocol}//${username + password === '' ? '' : '…@'}${host}${rest === '' ? '' : '/…'}`
}

/** Redacts every URL within a text, such as the message of a library's error. */
export function redactUrls(text: string): string {
  return text.replace(URLS, redactUrl)
}

/**
 * Redacts texts that come from an endpoint: all URLs, and what may be a key in its own URL wherever else it stands. Providers
 * repeat keys in their errors, as in `project 0123abcd… has no credits`. Taken for a key is a password of 4 characters or more, and every
 * part of path, query and user name that has 8 or more and a digit among them, as it stands in the URL and decoded.
 */
export function redactorOf(url: string): (text: string) => string {
  const { username, password, pathname, search } = new URL(url)
  const parts = [username, ...pathname.split('/'), ...search.split(/[?&=]/)].filter((part) => MAY_BE_KEY.test(part))
  if (password.length >= 4) parts.push(password)
  const secrets = parts.flatMap((part) => [part, decodeUrlPart(part)])
  // The longest first: one may be a part of another.
  const inOrder = [...new Set(secrets)].sort((a, b) => b.length - a.length)
  return (text) => inOrder.reduce((redacted, secret) => redacted.replaceAll(secret, '…'), redactUrls(text))
}

const MAY_BE_KEY = /^(?=.*\d).{8,}$/

/** A part of a URL as it was meant: decoded, or as it is where it never was encoded. */
export function decodeUrlPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * How endpoints are shown in logs and metrics: redacted, with `#2` and so on after those that would otherwise look alike, as two
 * keys at one provider do. The suffix tells one list of endpoints from another.
 */
export function labelEndpoints(urls: readonly string[], suffix = ''): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  const times = new Map<string, number>()
  for (const url of urls) {
    if (labels.has(url)) continue
    const redacted = redactUrl(url)
    const nth = (times.get(redacted) ?? 0) + 1
    times.set(redacted, nth)
    labels.set(url, `${redacted}${nth === 1 ? '' : `#${nth}`}${suffix}`)
  }
  return labels
}
