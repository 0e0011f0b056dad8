const URLS = /\b(?:wss?|https?):\/\/[^\s"'<>]+/gi

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
 * How endpoints are shown in logs and metrics: redacted, with `#2` and so on after those that would otherwise look alike, as two
 * keys at one provider do.
 */
export function labelEndpoints(urls: readonly string[]): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  const times = new Map<string, number>()
  for (const url of urls) {
    if (labels.has(url)) continue
    const redacted = redactUrl(url)
    const nth = (times.get(redacted) ?? 0) + 1
    times.set(redacted, nth)
    labels.set(url, nth === 1 ? redacted : `${redacted}#${nth}`)
  }
  return labels
}
