import { type BlockmillError, ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import type { BrokerUrl } from './broker-url.ts'
import { tlsFailure } from '../service/tls-failure.ts'
import type { Declaration } from './declare.ts'

/** Reply codes of AMQP 0-9-1 that are told apart here. */
export const REPLY_CODES = { accessRefused: 403, notFound: 404, preconditionFailed: 406 } as const

/** As parameters of RABBITMQ_URL. */
const TLS_FILES = { ca: 'cacertfile', client: 'certfile and keyfile' } as const

/** The AMQP reply code that an error of the library carries. */
export function replyCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'number' ? code : undefined
}

/**
 * What a failed handshake means when only a person can put it right: wrong credentials, or a virtual host that cannot be
 * opened, or a certificate that cannot be accepted. `undefined` for everything that may heal by itself.
 *
 * The library gives no reply code here, only its text.
 */
export function connectRefusal(error: unknown, url: BrokerUrl): ConfigurationError | undefined {
  const tls = url.tls === undefined ? undefined : tlsFailure(error, TLS_FILES)
  if (tls !== undefined) {
    return new ConfigurationError('TLS_REFUSED', `No TLS with the broker at ${url.redacted}: ${tls}.`, { cause: error })
  }
  const text = error instanceof Error ? error.message : ''
  if (/\b403 \(ACCESS-REFUSED\)/.test(text)) {
    return new ConfigurationError(
      'BROKER_REFUSED',
      `The broker at ${url.redacted} refused the credentials of user "${url.user}". Correct user and password in RABBITMQ_URL; "guest" may log in from the broker's own machine only.`,
      { cause: error },
    )
  }
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(text)) {
    return new ConfigurationError(
      'BROKER_REFUSED',
      `The broker at ${url.redacted} did not open the virtual host "${url.virtualHost}" for user "${url.user}": it does not exist, the user has no permission for it, or its connection limit is reached. Create it (rabbitmqctl add_vhost), grant the permission (rabbitmqctl set_permissions), or correct RABBITMQ_URL.`,
      { cause: error },
    )
  }
  return undefined
}

/** What it means that the broker refused a declaration. `undefined` when it did not: the connection ended. */
export function declareRefusal(error: unknown, declaration: Declaration): BlockmillError | undefined {
  const what = describeDeclaration(declaration)
  const said = error instanceof Error ? error.message : String(error)
  switch (replyCode(error)) {
    case REPLY_CODES.preconditionFailed:
      return new ConfigurationError(
        'BROKER_TOPOLOGY_MISMATCH',
        `The ${what} exists on the broker with other arguments than Blockmill declares. Delete it there when nothing in it is needed any more, or choose another namespace. The broker said: ${said}`,
        { cause: error },
      )
    case REPLY_CODES.accessRefused:
      return new ConfigurationError(
        'BROKER_REFUSED',
        `The broker's user may not declare the ${what}. Grant configure, write and read permission for it (rabbitmqctl set_permissions). The broker said: ${said}`,
        { cause: error },
      )
    case undefined:
      return undefined
    default:
      return new RetryableError('BROKER_UNREACHABLE', `The broker could not declare the ${what}: ${said}`, {
        cause: error,
      })
  }
}

function describeDeclaration(declaration: Declaration): string {
  switch (declaration.kind) {
    case 'exchange':
      return `exchange "${declaration.name}"`
    case 'queue':
      return `queue "${declaration.name}"`
    case 'binding':
      return `binding of queue "${declaration.queue}" to exchange "${declaration.exchange}" with key "${declaration.pattern}"`
    default:
      return declaration satisfies never
  }
}
