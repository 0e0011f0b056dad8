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
  /** Files and names for TLS; `undefined` for `amqp://`. */
  readonly tls: BrokerTls | undefined
}

/** What an `amqps://` URL says about TLS, under the names of RabbitMQ's own URI parameters. Files are PEM. */
export interface BrokerTls {
  /** `cacertfile`: the certificate authorities to trust. Without it, those that Node trusts. */
  readonly caFile?: string
  /** `certfile` and `keyfile`: what this client shows, where the broker asks for it. */
  readonly certFile?: string
  readonly keyFile?: string
  /** `server_name_indication`: the name that the broker's certificate is for, when not the host's. */
  readonly serverName?: string
}

/**
 * Reads `amqp[s]://user:password@host:port/vhost?heartbeat=seconds`. Without credentials it is the broker's own default,
 * `guest`; without a heartbeat 20 s. For TLS there are RabbitMQ's parameters `cacertfile`, `certfile`, `keyfile` and
 * `server_name_indication` (https://www.rabbitmq.com/docs/uri-query-parameters); the broker's certificate is always verified.
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
    tls: readTls(protocol === 'amqps:', searchParams),
  }
}

const TLS_PARAMETERS = {
  cacertfile: 'caFile',
  certfile: 'certFile',
  keyfile: 'keyFile',
  server_name_indication: 'serverName',
} as const satisfies Record<string, keyof BrokerTls>

function readTls(isTls: boolean, parameters: URLSearchParams): BrokerTls | undefined {
  const given = Object.entries(TLS_PARAMETERS).flatMap(([parameter, key]) => {
    const value = parameters.get(parameter)
    return value === null ? [] : [{ parameter, key, value }]
  })
  const [first] = given
  if (!isTls && first !== undefined) throw invalid(`its ${first.parameter} is for TLS, and it begins with "amqp:"`)
  if (!isTls) return undefined
  const empty = given.find(({ value }) => value === '')
  if (empty !== undefined) throw invalid(`its ${empty.parameter} is empty`)
  if (parameters.has('certfile') !== parameters.has('keyfile')) {
    throw invalid('of certfile and keyfile it has one; they go together')
  }
  const verify = parameters.get('verify') ?? 'verify_peer'
  if (verify !== 'verify_peer')
    throw invalid("the broker's certificate is always verified: verify can be verify_peer only")
  return Object.fromEntries(given.map(({ key, value }) => [key, value]))
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
