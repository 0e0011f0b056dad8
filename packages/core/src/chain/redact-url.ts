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
