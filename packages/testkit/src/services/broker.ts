import { ConfigurationError } from '@blockmill/core'

import { startDockerBroker } from './docker-broker.ts'
import { missingDockerEngine } from './docker-engine.ts'
import { startFirstAvailable } from './first-available.ts'
import { callManagement } from './management-api.ts'
import { type NativeBrokerOptions, startNativeBroker } from './native-broker.ts'
import { probeAmqp, probeTcp } from './readiness.ts'
import { readServiceSettings, type ServiceSource } from './service-settings.ts'

/** Options of `startBroker`. */
export interface BrokerOptions extends NativeBrokerOptions {
  /** Where `RABBITMQ_URL`, `BLOCKMILL_TEST_SERVICES` and `DOCKER_HOST` are read. Default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv
}

/** A RabbitMQ to work with. Those from the environment cannot be killed or restarted, and `stop()` leaves them running. */
export interface Broker {
  readonly source: ServiceSource
  /** AMQP URL. */
  readonly url: string
  /** Base URL of the management HTTP API with user and password, when it is known to be there. */
  readonly managementUrl: string | undefined
  /** Runs `rabbitmqctl` against the node and returns what it printed. */
  ctl(...args: string[]): Promise<string>
  /** Ends the node as a crash does. Its data and port stay; `restart()` brings it back. */
  kill(): Promise<void>
  /** Stops the node in an orderly way if it runs, and starts it again with the same port and data. */
  restart(): Promise<void>
  /** Ends the node and removes what it left. Safe to call again. */
  stop(): Promise<void>
}

/**
 * A RabbitMQ: the one of `RABBITMQ_URL`, else a container when a Docker engine runs, else a private node on this machine,
 * for which RabbitMQ is installed with apt-get when it is missing and that is allowed. `BLOCKMILL_TEST_SERVICES=docker` or
 * `native` asks for that source alone.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` saying what was tried and what to do.
 */
export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { environment = process.env, log = () => {} } = options
  const { brokerUrl, only } = readServiceSettings(environment)
  const attempts = [
    {
      source: 'environment' as const,
      missing: async () => (brokerUrl === undefined ? 'RABBITMQ_URL is not set' : undefined),
      start: () => useExternalBroker(brokerUrl ?? ''),
      isFinal: true,
    },
    { source: 'docker' as const, missing: () => missingDockerEngine(environment), start: startDockerBroker },
    {
      source: 'native' as const,
      missing: async () => undefined,
      start: async (): Promise<Broker> => ({ source: 'native', ...(await startNativeBroker(options)) }),
    },
  ]
  return startFirstAvailable(
    'RabbitMQ',
    attempts.filter(({ source }) => only === undefined || source === only),
    { log, advice: 'Set RABBITMQ_URL to a broker that runs, start a Docker engine, or install rabbitmq-server.' },
  )
}

async function useExternalBroker(url: string): Promise<Broker> {
  const { protocol, hostname, port } = parseUrl(url)
  // Over TLS the greeting comes later; that the port is open is all that can be said without certificates.
  if (protocol === 'amqps:') await probeTcp(hostname, Number(port || 5671))
  else await probeAmqp(hostname, Number(port || 5672))
  const refuse = (what: string) =>
    Promise.reject(
      new ConfigurationError(
        'SERVICE_UNAVAILABLE',
        `The broker of RABBITMQ_URL is not ours to ${what}. Unset RABBITMQ_URL to work with a private one.`,
      ),
    )
  return {
    source: 'environment',
    url,
    managementUrl: await findManagement(url),
    ctl: () => refuse('control'),
    kill: () => refuse('kill'),
    restart: () => refuse('restart'),
    stop: async () => {},
  }
}

/** Where the management plugin listens when nothing else was configured. */
const MANAGEMENT_PORT = 15672

async function findManagement(brokerUrl: string): Promise<string | undefined> {
  const url = new URL(brokerUrl)
  const managementUrl = `http://${url.username || 'guest'}:${url.password || 'guest'}@${url.hostname}:${MANAGEMENT_PORT}`
  try {
    await callManagement(managementUrl, 'GET', '/overview')
    return managementUrl
  } catch {
    // A broker need not have the plugin, nor let this user in: it is then used without.
    return undefined
  }
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url)
  if (parsed === null || !['amqp:', 'amqps:'].includes(parsed.protocol)) {
    throw new ConfigurationError('CONFIG_INVALID', 'RABBITMQ_URL must be a URL that starts with amqp:// or amqps://.')
  }
  return parsed
}
