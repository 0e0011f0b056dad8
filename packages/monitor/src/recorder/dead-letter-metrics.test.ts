import { createMetrics, type Delivery } from '@blockmill/core'
import { expect, it } from 'vitest'

import { taskMessage } from '../../test/message-arbitraries.ts'
import { createDeadLetterMetrics } from './dead-letter-metrics.ts'
import { readDeadLetter } from './dead-letter.ts'

it('counts every task of a dead message, and none for a message that only the monitor could not record', async () => {
  const register = createMetrics('monitor')
  const metrics = createDeadLetterMetrics(register)
  const bury = (queue: string) => {
    const { type, body } = taskMessage([1, 2, 3])
    const delivery = { type, body, headers: { 'x-first-death-queue': queue } as Delivery['headers'] } as Delivery
    metrics.recorded(readDeadLetter(delivery, { now: 5_000, monitorQueue: 'blockmill.monitor' }))
  }
  bury('blockmill.work.default.low')
  bury('blockmill.monitor')
  expect(await register.getSingleMetricAsString('blockmill_tasks_dead_total')).toContain(
    'blockmill_tasks_dead_total{chain="dev",task="test-task",service="monitor"} 3',
  )
})
