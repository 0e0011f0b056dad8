import { startContainer } from './docker-container.ts'
import type { Postgres } from './postgres.ts'
import { probePostgres } from './postgres-session.ts'
import { waitUntilReady } from './readiness.ts'

/** The image of the database. */
export const POSTGRES_IMAGE = 'postgres:17'

const START_TIMEOUT_MS = 120_000

/** Starts PostgreSQL in a container. */
export async function startDockerPostgres({ durable = true }: { readonly durable?: boolean }): Promise<Postgres> {
  const container = await startContainer({
    image: POSTGRES_IMAGE,
    environment: { POSTGRES_PASSWORD: 'postgres' },
    ports: { postgres: 5432 },
    command: ['postgres', ...(durable ? [] : NOT_DURABLE.flatMap((setting) => ['-c', setting]))],
  })
  const url = `postgres://postgres:postgres@${container.host}:${container.port('postgres')}/postgres`

  // The image starts a server for its set-up first, which ends again; that one has no TCP port.
  const ready = () =>
    waitUntilReady(() => probePostgres(url), { timeoutMs: START_TIMEOUT_MS, isHopeless: () => undefined })
  try {
    await ready()
  } catch (error) {
    await container.stop()
    throw error
  }
  return {
    source: 'docker',
    url,
    kill: () => container.kill(),
    async restart() {
      await container.restart()
      await ready()
    },
    stop: () => container.stop(),
  }
}

/** Settings that trade safety against a crash of the machine for speed. */
export const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] as const
