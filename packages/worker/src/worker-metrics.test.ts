import { readFile } from 'node:fs/promises'
import { createMetrics, defineTask } from '@blockmill/core'
import { expect, it } from 'vitest'
import { CHILD_END_REASONS } from './isolate/child-fate.ts'
import { createWorkerMetrics } from './worker-metrics.ts'

function rig() {
  const register = createMetrics('worker')
  const alive = { thread: 2, process: 0 }
  const metrics = createWorkerMetrics(register, {
    slots: 1,
    slotsUsed: () => 0,
    buffered: () => 0,
    children: (kind) => alive[kind],
  })
  return { register, metrics, alive }
}

it('tells how many threads and processes there are when it is asked', async () => {
  const { register, alive } = rig()
  alive.process = 1
  const text = await register.getSingleMetricAsString('blockmill_worker_children')
  expect(text).toContain('blockmill_worker_children{kind="thread",service="worker"} 2')
  expect(text).toContain('blockmill_worker_children{kind="process",service="worker"} 1')
})

it('counts the threads and processes that ended, by why', async () => {
  const { register, metrics } = rig()
  metrics.childEnded('thread', 'max_tasks')
  metrics.childEnded('thread', 'max_tasks')
  metrics.childEnded('process', 'lost')
  const text = await register.getSingleMetricAsString('blockmill_worker_children_ended_total')
  expect(text).toContain('{kind="thread",reason="max_tasks",service="worker"} 2')
  expect(text).toContain('{kind="process",reason="lost",service="worker"} 1')
})

it('tells how long tasks took from being scheduled to success, by why they were scheduled', async () => {
  const { register, metrics } = rig()
  const task = defineTask({ name: 'a', run: () => null })
  metrics.completed(task, 'default', 'live', 2_500)
  metrics.completed(task, 'default', 'live', 500)
  metrics.completed(task, 'default', 'backfill', -20)
  const text = await register.getSingleMetricAsString('blockmill_task_critical_seconds')
  const live = 'task="a",queue="default",cause="live"'
  expect(text).toContain(`blockmill_task_critical_seconds_sum{service="worker",${live}} 3`)
  expect(text).toContain(`blockmill_task_critical_seconds_bucket{le="0.5",service="worker",${live}} 1`)
  expect(text, 'clocks of two machines differ').toContain(
    'blockmill_task_critical_seconds_sum{service="worker",task="a",queue="default",cause="backfill"} 0',
  )
})

it('docs/isolation.md has the reasons why threads and processes end, and no others', async () => {
  const page = await readFile(new URL('../../../docs/isolation.md', import.meta.url), 'utf8')
  const [, section = ''] = page.split('## Metrics')
  const rows = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name)
  expect(rows.toSorted()).toEqual(CHILD_END_REASONS.toSorted())
})
