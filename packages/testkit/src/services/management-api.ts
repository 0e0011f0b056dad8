/** Longest wait for the management API. */
const TIMEOUT_MS = 60_000

/**
 * Calls RabbitMQ's management HTTP API and returns the parsed reply; undefined when it has no body or, for `GET` and
 * `DELETE`, when the object does not exist.
 * @param managementUrl base URL with user and password, as `Broker.managementUrl` has it.
 * @param path below `/api`, parts URL-encoded: `/queues/%2F/name`.
 * @throws Error naming the call and the status of any other reply that is not a success.
 */
export async function callManagement(
  managementUrl: string,
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const url = new URL(`/api${path}`, managementUrl)
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  // fetch refuses URLs that carry credentials.
  url.username = ''
  url.password = ''
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  const text = await response.text()
  if (response.status === 404 && (method === 'GET' || method === 'DELETE')) return undefined
  if (!response.ok) throw new Error(`${method} ${url.pathname} of the management API: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
