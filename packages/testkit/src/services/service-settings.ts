import { ConfigurationError } from '@blockmill/core'

/** Where a service comes from: a URL that was given, a container, or a private process on this machine. */
export const SERVICE_SOURCES = ['environment', 'docker', 'native'] as const
export type ServiceSource = (typeof SERVICE_SOURCES)[number]

/** What the environment says about the services of tests, demo and benchmarks. */
export interface ServiceSettings {
  /** `RABBITMQ_URL`: a broker that runs already. It is used and never stopped. */
  readonly brokerUrl?: string
  /** `DATABASE_URL`: a PostgreSQL that runs already. It is used and never stopped. */
  readonly databaseUrl?: string
  /** `BLOCKMILL_TEST_SERVICES`: use this source alone, even when a URL is given. */
  readonly only?: 'docker' | 'native'
}

/**
 * Reads the variables above; the only place that does. Empty values count as unset.
 * @throws ConfigurationError `CONFIG_INVALID` when `BLOCKMILL_TEST_SERVICES` is neither `docker` nor `native`.
 */
export function readServiceSettings(environment: NodeJS.ProcessEnv = process.env): ServiceSettings {
  const brokerUrl = environment['RABBITMQ_URL']
  const databaseUrl = environment['DATABASE_URL']
  const only = environment['BLOCKMILL_TEST_SERVICES'] || undefined
  if (only !== undefined && only !== 'docker' && only !== 'native') {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      `BLOCKMILL_TEST_SERVICES is "${only}", but must be "docker" or "native". Unset it to use what is available.`,
    )
  }
  return {
    ...(brokerUrl ? { brokerUrl } : {}),
    ...(databaseUrl ? { databaseUrl } : {}),
    ...(only === undefined ? {} : { only }),
  }
}
