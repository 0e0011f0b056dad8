import { createTopology } from '@blockmill/core'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import { registerRecordMetrics } from './record-metrics.ts'
import { noCounts } from './samples.ts'
import type { Snapshot } from './statistics.ts'

const NOW = new Date('2026-01-01T00:20:00Z')

const snapshot: Snapshot = {
  at: NOW,
  tasks: [{ chain: 'dev', name: 'a', counts: { ...noCounts(), succeeded: 12, failed: 3 } }],
  totals: { ...noCounts(), succeeded: 12, failed: 3 },
  rates: { windowSeconds: 0, scheduled: 0, finished: 0 },
  oldestWaiting: {
    id: '00000000-0000-8000-8000-000000000001',
    name: 'a',
    scheduledAt: new Date('2026-01-01T00:00:00Z'),
    dueAt: new Date('2026-01-01T00:09:00Z'),
  },
  workers: { running: 3, lost: 1 },
  deadLetters: 7,
  gaps: [{ chain: 'dev', task: 'a', blocks: 4 }],
}

function setUp() {
  let latest: Snapshot | undefined
  let asked = 0
  const metrics = new Registry()
  const topology = createTopology()
  const depths = new Map([[topology.monitorQueue, 5]])
  registerRecordMetrics({
    metrics,
    statistics: { latest: () => latest },
    now: () => NOW,
    broker: {
      topology,
      async depth(queue) {
        asked += 1
        const messages = depths.get(queue)
        return messages === undefined ? undefined : { messages, consumers: 1 }
      },
    },
  })
  return {
    show: (shown: Snapshot) => (latest = shown),
    asked: () => asked,
    samples: async () => (await metrics.metrics()).split('\n').filter((line) => line.startsWith('blockmill_')),
  }
}

it('tells what the latest snapshot says', async () => {
  const { show, samples } = setUp()
  show(snapshot)
  expect(await samples()).toEqual(
    expect.arrayContaining([
      'blockmill_tasks{chain="dev",task="a",status="succeeded"} 12',
      'blockmill_tasks{chain="dev",task="a",status="failed"} 3',
      'blockmill_tasks{chain="dev",task="a",status="running"} 0',
      'blockmill_oldest_waiting_seconds 660',
      'blockmill_workers{state="running"} 3',
      'blockmill_workers{state="lost"} 1',
      'blockmill_dead_letters 7',
      'blockmill_gap_blocks{chain="dev",task="a"} 4',
      'blockmill_queue_messages{queue="blockmill.monitor"} 5',
    ]),
  )
})

it('forgets tasks that are no longer on record', async () => {
  const { show, samples } = setUp()
  show(snapshot)
  await samples()
  show({ ...snapshot, tasks: [], gaps: [], oldestWaiting: null })
  const later = (await samples()).join('\n')
  expect(later).not.toContain('task="a"')
  expect(later).toContain('blockmill_oldest_waiting_seconds 0')
})

it('says that no worker runs only when it knows', async () => {
  const { samples } = setUp()
  expect((await samples()).join('\n')).not.toContain('blockmill_workers')
})
