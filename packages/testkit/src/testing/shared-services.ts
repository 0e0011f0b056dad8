import { inject } from 'vitest'

/** The services that all test files of a run share, as the global set-up provides them. */
export interface SharedServices {
  readonly brokerUrl: string
  /** Base URL of the broker's management HTTP API, when it has one. */
  readonly managementUrl: string | undefined
  /** Connects to the server's first database. */
  readonly databaseUrl: string
  /** Starts the names of all databases of this run. */
  readonly databasePrefix: string
}

declare module 'vitest' {
  interface ProvidedContext {
    blockmillServices: SharedServices
  }
}

/**
 * The services of this run.
 * @throws Error when the vitest project does not have `@blockmill/testkit/vitest-global-setup` as its `globalSetup`.
 */
export function sharedServices(): SharedServices {
  const services: SharedServices | undefined = inject('blockmillServices')
  if (services === undefined) {
    throw new Error(
      'No services were started: add "@blockmill/testkit/vitest-global-setup" to globalSetup of this vitest project.',
    )
  }
  return services
}
