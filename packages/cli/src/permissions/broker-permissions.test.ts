import { createTopology } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { type BrokerPermissions, brokerPermissions } from './broker-permissions.ts'

const topology = createTopology()
const { exchanges, monitorQueue, deadQueue, parkedQueue, resultsQueue } = topology
const permissions = brokerPermissions(topology)
const work = topology.workQueue('high-priority', 'low')
const delay = topology.delayQueue(1_000)
const rate = topology.rateQueue({ kind: 'task', name: 'a' }, { limit: 5, perMs: 1_000 })
const names = [
  ...new Set([...Object.values(exchanges), monitorQueue, deadQueue, parkedQueue, resultsQueue, work, delay, rate]),
  `${exchanges.control}.0199`,
  `${exchanges.reply}.0199`,
  'amq.default',
]

/** Those of all names that a permission lets through, sorted and without the namespace. */
function allowed({ configure, write, read }: BrokerPermissions): Record<string, string> {
  const fitting = (pattern: string): string =>
    names
      .filter((name) => new RegExp(pattern).test(name))
      .map((name) => name.replace('blockmill.', ''))
      .toSorted((a, b) => (a < b ? -1 : 1))
      .join(' ')
  return { configure: fitting(configure), write: fitting(write), read: fitting(read) }
}

describe('brokerPermissions', () => {
  it('are these', () => {
    expect(Object.entries(permissions).map(([role, given]) => ({ role, ...allowed(given) }))).toMatchInlineSnapshot(`
      [
        {
          "configure": "reply.0199 work.high-priority.low",
          "read": "redeliver reply reply.0199 tasks work work.high-priority.low",
          "role": "scheduler",
          "write": "control dead events redeliver reply.0199 tasks work work.high-priority.low",
        },
        {
          "configure": "control.0199 delay.1000 rate.task.a.5-1000 work.high-priority.low",
          "read": "control control.0199 delay delay.1000 redeliver tasks work work.high-priority.low",
          "role": "worker",
          "write": "amq.default control control.0199 dead delay delay.1000 events redeliver reply results tasks work.high-priority.low",
        },
        {
          "configure": "control control.0199 dead delay events monitor parked redeliver reply reply.0199 results tasks work work.high-priority.low",
          "read": "control control.0199 dead events monitor parked redeliver reply reply.0199 results tasks work work.high-priority.low",
          "role": "monitor",
          "write": "control control.0199 dead monitor parked redeliver reply reply.0199 results tasks work.high-priority.low",
        },
        {
          "configure": "reply.0199 work.high-priority.low",
          "read": "redeliver reply reply.0199 tasks work work.high-priority.low",
          "role": "operator",
          "write": "control dead redeliver reply.0199 tasks work.high-priority.low",
        },
        {
          "configure": "",
          "read": "",
          "role": "producer",
          "write": "tasks",
        },
      ]
    `)
  })

  it.each([
    ['another installation', 'blockmill2.work.a.low'],
    ['one whose name begins alike', 'blockmill-2.work.a.low'],
    ['a name that only contains ours', 'x.blockmill.tasks'],
    ['a name that goes on after ours', 'blockmill.tasks-copy'],
    ['a name in which the dot is another letter', 'blockmillxtasks'],
    ['no name', ''],
  ])('let nobody into %s', (_, name) => {
    for (const { configure, write, read } of Object.values(permissions)) {
      // RabbitMQ gives the empty name to nothing: the default exchange is called amq.default.
      for (const pattern of [configure, write, read].filter((one) => one !== '^$')) {
        expect(new RegExp(pattern).test(name), pattern).toBe(false)
      }
    }
  })

  it('follow a namespace and a monitor queue of other names, taken as they are', () => {
    const { monitor, worker } = brokerPermissions(createTopology({ namespace: 'a-b', monitorQueue: 'task.monitor+1' }))
    expect(new RegExp(monitor.read).test('task.monitor+1')).toBe(true)
    expect(new RegExp(monitor.read).test('task-monitor1')).toBe(false)
    expect(new RegExp(worker.read).test('task.monitor+1')).toBe(false)
    expect(new RegExp(worker.read).test('a-b.work.x.low')).toBe(true)
  })
})
