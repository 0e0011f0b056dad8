import type { Options } from 'amqplib'

import { ConfigurationError } from '../errors/blockmill-error.ts'

/** Seconds without traffic after which either side checks whether the other still lives; two missed end the connection. */
const HEARTBEAT_SECONDS = 20

/** Where the broker is, and who connects. */
export interface BrokerUrl {
  /** For the AMQP library. Holds the password. */
  readonly connect: Readonly<Options.Connect>
  /** Without the password and the query, for logs and errors. */
  readonly redacted: string
  readonly user: string
  readonly virtualHost: string
}

/**
 * Reads `amqp[s]://user:password@host:port/vhost?heartbeat=seconds`. Without credentials it is the broker's own default,
 * `guest`; without a heartbeat 20 s.
 *
 * @throws ConfigurationError `CONFIG_INVALID` for anything else, without repeating the password.
 */
export function parseBrokerUrl(url: string): BrokerUrl {
  const parsed = URL.parse(url)
  if (parsed === null) throw invalid('it cannot be read as a URL')
  const { protocol, hostname, host, port, username, password, pathname, searchParams } = parsed
  if (protocol !== 'amqp:' && protocol !== 'amqps:') throw invalid(`it begins with "${protocol}"`)
  if (hostname === '') throw invalid('it names no host')
  const heartbeat = searchParams.get('heartbeat') ?? `${HEARTBEAT_SECONDS}`
  if (!/^\d{1,4}$/.test(heartbeat)) throw invalid('its heartbeat is not a whole number of seconds')

  const user = decode(username, 'user') || 'guest'
  return {
    connect: {
      protocol: protocol.slice(0, -1),
      // The library wants an IPv6 address bare.
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || (protocol === 'amqp:' ? 5672 : 5671)),
      username: user,
      // Decoded here, because the library reads percent-encoded passwords as Latin-1.
      password: decode(password, 'password') || (username === '' ? 'guest' : ''),
      // The library decodes this one itself.
      vhost: pathname.slice(1),
      heartbeat: Number(heartbeat),
    },
    redacted: `${protocol}//${username || 'guest'}:***@${host}${pathname}`,
    user,
    virtualHost: decode(pathname.slice(1), 'virtual host') || '/',
  }
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw invalid(`its ${what} holds a "%" that is not followed by two hexadecimal digits`, cause)
  }
}

function invalid(why: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    'CONFIG_INVALID',
    `The broker's URL is wrong: ${why}. It must look like amqp://user:password@host:5672/vhost, or amqps:// for TLS, with special characters in user, password and vhost percent-encoded.`,
    { cause },
  )
}
