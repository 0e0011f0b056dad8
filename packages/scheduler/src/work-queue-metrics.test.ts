import { createTopology } from '@blockmill/core'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import { registerWorkQueueMetrics } from './work-queue-metrics.ts'

it('tells the depth of each lane when it is asked, and nothing of a queue that there is not or a broker that is away', async () => {
  const topology = createTopology()
  const depths = new Map([
    [topology.workQueue('default', 'low'), 7],
    [topology.workQueue('default', 'normal'), 0],
  ])
  let isAway = false
  const registry = new Registry()
  registerWorkQueueMetrics({
    registry,
    queues: ['default'],
    broker: {
      topology,
      depth: async (queue) => {
        if (isAway) throw new Error('away')
        const messages = depths.get(queue)
        return messages === undefined ? undefined : { messages, consumers: 0 }
      },
    },
  })
  const samples = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('blockmill_'))
  expect((await samples()).toSorted()).toEqual([
    'blockmill_work_queue_messages{queue="default",lane="low"} 7',
    'blockmill_work_queue_messages{queue="default",lane="normal"} 0',
  ])
  isAway = true
  expect(await samples(), 'old depths are not told again').toEqual([])
})
