import { ConfigurationError } from '../errors/blockmill-error.ts'

/** Seconds without traffic after which either side checks whether the other still lives; two missed end the connection. */
const HEARTBEAT_SECONDS = 20

/** Where the broker is. */
export interface BrokerUrl {
  /** With credentials, for the AMQP library alone. Asks for a heartbeat of 20 s unless the URL names another. */
  readonly href: string
  /** Without the password and the query, for logs and errors. */
  readonly redacted: string
  readonly user: string
  readonly virtualHost: string
}

/**
 * Reads `amqp[s]://user:password@host:port/vhost`. Without credentials the broker's own default is used, `guest`.
 *
 * @throws ConfigurationError `CONFIG_INVALID` for anything else.
 */
export function parseBrokerUrl(url: string): BrokerUrl {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^amqps?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      `The broker's URL ${parsed === undefined ? 'cannot be read' : `begins with ${parsed.protocol}//`}. It must look like amqp://user:password@host:5672/vhost, or amqps:// for TLS; special characters in user, password and vhost are percent-encoded.`,
    )
  }
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', `${HEARTBEAT_SECONDS}`)
  const user = decodeURIComponent(parsed.username) || 'guest'
  return {
    href: parsed.href,
    redacted: `${parsed.protocol}//${parsed.username || 'guest'}:***@${parsed.host}${parsed.pathname}`,
    user,
    virtualHost: decodeURIComponent(parsed.pathname.slice(1)) || '/',
  }
}
