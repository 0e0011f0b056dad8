import type { Logger as OrmLogger } from '@mikro-orm/core'

import type { Logger } from '../observability/logger.ts'

/** Lets MikroORM log through ours: its warnings as warnings, everything else at `debug`, queries not at all. */
export function createOrmLogger(logger: Logger): OrmLogger {
  return {
    log: (namespace, message) => logger.debug({ namespace, detail: message }, 'message of the database layer'),
    warn: (namespace, message) => logger.warn({ namespace, detail: message }, 'warning of the database layer'),
    error: (namespace, message) => logger.error({ namespace, detail: message }, 'error of the database layer'),
    // Parameters hold arguments and results of tasks, which are no business of a log.
    logQuery: () => undefined,
    setDebugMode: () => undefined,
    isEnabled: () => false,
  }
}
