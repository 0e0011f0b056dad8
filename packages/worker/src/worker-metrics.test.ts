import { readFile } from 'node:fs/promises'
import { createMetrics } from '@blockmill/core'
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

it('has the metrics and reasons of its threads and processes in the documentation, and no others', async () => {
  const page = await readFile(new URL('../../../docs/isolation.md', import.meta.url), 'utf8')
  const [, section = ''] = page.split('## Metrics')
  const rows = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name)
  const { register } = rig()
  const metrics = register.getMetricsAsArray().map(({ name }) => name)
  const ofChildren = metrics.filter((name) => name.startsWith('blockmill_worker_children'))
  expect(rows.toSorted()).toEqual([...ofChildren, ...CHILD_END_REASONS].toSorted())
})
