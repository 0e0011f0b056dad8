import { assert, constantFrom, property, stringMatching } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { LANES } from '../task/lane.ts'
import { delayLadder } from './delay-ladder.ts'
import { createTopology, type Declarations } from './topology.ts'

const name = stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/)
const lane = constantFrom(...LANES)
const delayMs = constantFrom(...delayLadder())

/** True when a topic exchange routes the key by the pattern: `*` is one word, `#` any number of them. */
function matches(pattern: readonly string[], key: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return key.length === 0
  if (first === '#') return matches(rest, key) || (key.length > 0 && matches(pattern, key.slice(1)))
  return key.length > 0 && (first === '*' || first === key[0]) && matches(rest, key.slice(1))
}

function route(declarations: readonly Declarations[], exchange: string, key: string): string[] {
  const declared = declarations.flatMap(({ exchanges }) => exchanges).find(({ name: one }) => one === exchange)
  return declarations
    .flatMap(({ bindings }) => bindings)
    .filter((binding) => binding.exchange === exchange)
    .filter(({ pattern }) =>
      declared?.type === 'topic' ? matches(pattern.split('.'), key.split('.')) : pattern === key,
    )
    .map(({ queue }) => queue)
}

describe('createTopology', () => {
  it('names everything under the namespace', () => {
    const topology = createTopology()
    expect(topology.exchanges).toEqual({
      tasks: 'blockmill.tasks',
      work: 'blockmill.work',
      events: 'blockmill.events',
      delay: 'blockmill.delay',
      redeliver: 'blockmill.redeliver',
      parked: 'blockmill.parked',
      dead: 'blockmill.dead',
      control: 'blockmill.control',
      reply: 'blockmill.reply',
      results: 'blockmill.results',
    })
    expect(topology.monitorQueue).toBe('blockmill.monitor')
    expect(topology.workQueue('high-priority', 'low')).toBe('blockmill.work.high-priority.low')
    expect(topology.delayQueue(1_189)).toBe('blockmill.delay.1189')
    expect(topology.taskKey('default', 'normal')).toBe('task.default.normal')
    expect(topology.resultsQueue).toBe('blockmill.results')
    expect(topology.rowsKey('0199')).toBe('rows.0199')
    expect(topology.eventKey('succeeded')).toBe('event.succeeded')
    expect(topology.delayKey(1_189, 'default', 'low')).toBe('d1189.default.low')
    expect(createTopology({ monitorQueue: 'task-monitor' }).monitorQueue).toBe('task-monitor')
  })

  it('names the queue of a rate limit by all that its arguments depend on', () => {
    const topology = createTopology()
    const task = { kind: 'task', name: 'a.b' } as const
    expect(topology.rateQueue(task, { limit: 10, perMs: 1_000 })).toBe('blockmill.rate.task.a.b.10-1000')
    const [queue] = topology.rate(task, { limit: 10, perMs: 1_000 }).queues
    expect(queue).toEqual({
      name: 'blockmill.rate.task.a.b.10-1000',
      arguments: {
        'x-queue-type': 'classic',
        'x-max-length': 10,
        'x-overflow': 'reject-publish',
        'x-message-ttl': 1_000,
      },
    })
    expect(topology.rateQueue({ kind: 'queue', name: 'a' }, { limit: 1, perMs: 10 })).toBe(
      'blockmill.rate.queue.a.1-10',
    )
  })

  it('parks what finds no work queue, past the monitor and after a delay', () => {
    const topology = createTopology()
    const { work, redeliver, parked } = topology.exchanges
    const keeping = topology.base().exchanges.filter(({ arguments: args }) => args?.['alternate-exchange'] === parked)
    expect(keeping.map(({ name: one, type }) => [one, type])).toEqual([
      [work, 'direct'],
      [redeliver, 'topic'],
    ])
  })

  it('routes a task to its own work queue and the monitor, and nowhere else', () => {
    assert(
      property(name, name, lane, lane, (queue, other, own, otherLane) => {
        const topology = createTopology()
        const declared = [topology.base(), topology.work(queue), ...(other === queue ? [] : [topology.work(other)])]
        const expected = [topology.monitorQueue, topology.workQueue(queue, own)]
        const key = topology.taskKey(queue, own)
        expect(route(declared, topology.exchanges.tasks, key)).toEqual(expected)
        expect(route(declared, topology.exchanges.work, key)).toEqual([topology.workQueue(queue, own)])
        if (other !== queue) {
          expect(route(declared, topology.exchanges.tasks, topology.taskKey(other, otherLane))).not.toContain(
            topology.workQueue(queue, own),
          )
        }
      }),
    )
  })

  it('routes a delayed task to the queue of its delay alone, and from there back to its own work queue alone', () => {
    assert(
      property(name, name, lane, delayMs, delayMs, (queue, other, own, delay, otherDelay) => {
        const topology = createTopology()
        const delays = new Set([delay, otherDelay])
        const declared = [
          topology.base(),
          topology.work(queue),
          ...(other === queue ? [] : [topology.work(other)]),
          ...[...delays].map((step) => topology.delay(step)),
        ]
        const key = topology.delayKey(delay, queue, own)
        expect(route(declared, topology.exchanges.delay, key)).toEqual([topology.delayQueue(delay)])
        expect(route(declared, topology.exchanges.redeliver, key)).toEqual([topology.workQueue(queue, own)])
      }),
    )
  })

  it('keeps every task and event for the monitor, and nothing that only comes back from a delay', () => {
    const topology = createTopology()
    const declared = [topology.base(), topology.work('default'), topology.delay(1_000)]
    expect(route(declared, topology.exchanges.events, topology.eventKey('failed'))).toEqual([topology.monitorQueue])
    expect(route(declared, topology.exchanges.redeliver, 'd1000.gone.normal')).toEqual([])
    expect(
      topology.base().exchanges.find(({ name: each }) => each === topology.exchanges.redeliver)?.arguments,
    ).toEqual({
      'alternate-exchange': topology.exchanges.parked,
    })
  })

  it('declares nothing but quorum queues, with nothing that newer brokers refuse', () => {
    const topology = createTopology()
    const queues = [topology.base(), topology.work('default'), topology.delay(1_000)].flatMap((each) => each.queues)
    expect(queues.length).toBe(4 + LANES.length + 1)
    for (const { arguments: args } of queues) {
      expect(args['x-queue-type']).toBe('quorum')
      for (const gone of ['x-max-priority', 'x-queue-mode', 'x-expires', 'x-max-length', 'x-dead-letter-routing-key']) {
        expect(args).not.toHaveProperty(gone)
      }
      // Without it the broker silently falls back to at-most-once.
      if (args['x-dead-letter-strategy'] !== undefined) expect(args['x-overflow']).toBe('reject-publish')
    }
  })

  it('gives different arguments different names, because arguments cannot be changed', () => {
    assert(
      property(delayMs, delayMs, (one, other) => {
        const topology = createTopology()
        const [first] = topology.delay(one).queues
        const [second] = topology.delay(other).queues
        expect(first?.name === second?.name).toBe(
          first?.arguments['x-message-ttl'] === second?.arguments['x-message-ttl'],
        )
      }),
    )
  })

  it.each(['a.b', '', 'A', '-a', 'ü', 'a b', '#', '*', 'x'.repeat(65)])(
    'refuses %j as a queue and as a namespace',
    (bad) => {
      const refusal = expect.objectContaining({ code: 'TASK_DEFINITION_INVALID' })
      expect(() => createTopology().work(bad)).toThrow(refusal)
      expect(() => createTopology({ namespace: bad })).toThrow(refusal)
    },
  )
})
