import { createMetrics, createSilentLogger, openDatabase } from '@blockmill/core'
import type { FastifyInstance } from 'fastify'
import { onTestFinished } from 'vitest'

import { createApp } from '../src/http/app.ts'

/** The monitor's app with a database that is not there: for what needs none, such as its description. Closed after the test. */
export async function offlineApp(): Promise<FastifyInstance> {
  const logger = createSilentLogger()
  const database = openDatabase({ url: 'postgresql://me:secret@127.0.0.1:1/nowhere', logger })
  onTestFinished(() => database.close())
  const app = await createApp({
    database,
    logger,
    metrics: createMetrics('monitor'),
    statistics: { latest: () => undefined },
    now: () => new Date(),
    notReadyBecause: () => [],
  })
  onTestFinished(() => app.close())
  return app
}
