import { Type } from 'typebox'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { taskMessageCodec } from '../message/codec.ts'
import type { TaskMessage } from '../message/task-message.ts'
import { type AnyTaskDefinition, defineTask } from '../task/define-task.ts'
import { createTaskRegistry } from '../task/registry.ts'
import { taskId, uniqueTaskId } from '../task/task-id.ts'
import type { Enqueue } from './client.ts'
import { createEnqueue, type EnqueuePorts } from './create-enqueue.ts'
import type { UniqueClaims, UniqueTask } from './unique-claims.ts'

const NOW = Date.parse('2026-01-01T00:00:00.000Z')
const later = (ms: number): string => new Date(NOW + ms).toISOString()
const ID = '01900000-0000-7000-8000-000000000001'

const notify = defineTask({
  name: 'notify',
  schema: Type.Object({ netuid: Type.Integer() }),
  queue: 'mail',
  retry: { maxAttempts: 7 },
  run: () => undefined,
})
const plain = defineTask({ name: 'plain', run: () => undefined })

function rig(ports: Partial<EnqueuePorts> = {}) {
  const published: TaskMessage[] = []
  const enqueue = createEnqueue({
    chain: 'dev',
    now: () => NOW,
    async publish(message) {
      // What cannot be read by a worker and the monitor must not be sent.
      published.push(taskMessageCodec.decode(taskMessageCodec.encode(message)))
    },
    ...ports,
  })
  return { enqueue, published }
}

function registryOf(...definitions: AnyTaskDefinition[]) {
  return createTaskRegistry(definitions.map((definition) => ({ definition, file: 'test' })))
}

describe('a task that is enqueued', () => {
  it('takes from its definition what the options leave open', async () => {
    const { enqueue, published } = rig()
    const { id, isNew } = await enqueue(notify, { netuid: 1 }, { unique: false })
    expect(isNew).toBe(true)
    expect(published).toEqual([
      {
        v: 1,
        chain: 'dev',
        task: 'notify',
        queue: 'mail',
        lane: 'normal',
        priority: 10,
        attempt: 1,
        postpones: 0,
        maxAttempts: 7,
        scheduledAt: later(0),
        cause: 'manual',
        items: [{ id, args: { netuid: 1 } }],
      },
    ])
  })

  it('can be given by name', async () => {
    const { enqueue, published } = rig({ registry: registryOf(notify), maxAttempts: 5 })
    await enqueue('notify', { netuid: 1 }, { unique: false })
    expect(published).toMatchObject([{ task: 'notify', queue: 'mail' }])
  })

  it('has attempts as its definition says, else as the client says, else three', async () => {
    const of = async (ports: Partial<EnqueuePorts>, options = {}) => {
      const { enqueue, published } = rig(ports)
      await enqueue(plain, {}, { unique: false, ...options })
      return published[0]?.maxAttempts
    }
    expect(await of({})).toBe(3)
    expect(await of({ maxAttempts: 5 })).toBe(5)
    expect(await of({ maxAttempts: 5 }, { maxAttempts: 1 })).toBe(1)
  })

  it.each([
    [0, 'high'],
    [-5, 'high'],
    [9, 'high'],
    [10, 'normal'],
    [11, 'low'],
  ])('with priority %i rides the %s lane', async (priority, lane) => {
    const { enqueue, published } = rig()
    await enqueue(plain, {}, { unique: false, priority })
    expect(published).toMatchObject([{ priority, lane }])
  })

  it('has queue, times, parent and root as they were asked for', async () => {
    const { enqueue, published } = rig()
    await enqueue(
      plain,
      {},
      { unique: false, queue: 'other', executeAfter: '5m', expires: '1h', rootId: ID, parentId: ID },
    )
    const [message] = published
    expect(message).toMatchObject({ queue: 'other', rootId: ID, parentId: ID })
    expect(message).toMatchObject({ notBefore: later(300_000), expiresAt: later(3_600_000) })
  })

  it('may start at once when its time has passed', async () => {
    const { enqueue, published } = rig()
    await enqueue(plain, {}, { unique: false, executeAfter: new Date(NOW - 1) })
    await enqueue(plain, {}, { unique: false, executeAfter: 0 })
    await enqueue(plain, {}, { unique: false, executeAfter: new Date(NOW + 1) })
    expect(published.map(({ notBefore }) => notBefore)).toEqual([undefined, undefined, later(1)])
  })

  it('has an id of its own each time, unless it is unique or for a block', async () => {
    const { enqueue } = rig()
    const first = await enqueue(plain, {}, { unique: false })
    const second = await enqueue(plain, {}, { unique: false })
    expect(first.id).not.toBe(second.id)
  })

  it('has the id that the scheduler gives the block, and is a run of its own', async () => {
    const { enqueue, published } = rig()
    const identity = { chain: 'dev', task: 'notify', args: { netuid: 1 } }
    const byNumber = await enqueue(notify, { netuid: 1 }, { block: 7 })
    expect(byNumber).toEqual({ id: taskId({ ...identity, block: { number: 7 } }), isNew: true })
    const byHash = await enqueue(notify, { netuid: 1 }, { block: { number: 7, hash: '0xabc' } })
    expect(byHash.id).toBe(taskId({ ...identity, block: { number: 7, hash: '0xabc' } }))
    expect(published).toMatchObject([
      { generation: NOW, items: [{ block: { number: 7 } }] },
      { generation: NOW, items: [{ block: { number: 7, hash: '0xabc' } }] },
    ])
  })

  it('is typed by its definition', () => {
    const enqueue = rig().enqueue
    // @ts-expect-error -- the definition wants a number
    const wrong = () => enqueue(notify, { netuid: 'one' })
    const right = () => enqueue(notify, { netuid: 1 })
    expectTypeOf(wrong).toEqualTypeOf(right)
  })
})

describe('what cannot be enqueued is refused with the value and the rule:', () => {
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const anything = plain as unknown as Parameters<Enqueue>[0]

  it.each<[string, unknown, RegExp]>([
    ['a bigint', { amount: 1n }, /args\.amount is a bigint/],
    ['a cycle', circle, /args\.self refers back/],
    ['a date', { at: new Date(0) }, /args\.at is a Date/],
    ['a list', [1], /args is \[ 1 \]; it must be an object/],
    ['nothing', undefined, /args is undefined; it must be an object/],
    ['more than 64 KiB', { s: 'x'.repeat(64 * 1024) }, /args is 65544 bytes of JSON; at most 65536/],
    ['a prototype', JSON.parse('{"a":{"__proto__":{"b":1}}}'), /args cannot be carried .*forbidden prototype property/],
    [
      'what is nested too deeply',
      { deep: JSON.parse('['.repeat(60_000) + ']'.repeat(60_000)) },
      /args\.deep(\[0\])+.* is nested more than 200 levels deep/,
    ],
    [
      'unreadable',
      Object.defineProperty({}, 'secret', {
        enumerable: true,
        get() {
          throw new Error('no')
        },
      }),
      /args cannot be checked: no/,
    ],
  ])('arguments that are %s', async (_, args, problem) => {
    const { enqueue, published } = rig()
    await expect(enqueue(anything, args as never, { unique: false })).rejects.toMatchObject({
      code: 'ENQUEUE_INVALID',
      message: expect.stringMatching(problem) as string,
    })
    expect(published).toEqual([])
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a queue with dots', { queue: 'a.b' }, /queue is "a\.b"/],
    ['no queue', { queue: '' }, /queue is ""/],
    ['a fraction of a priority', { priority: 1.5 }, /priority is 1\.5; it must be a whole number/],
    ['an absurd priority', { priority: 2 ** 40 }, /priority is 1099511627776; .* from -1000000 to 1000000/],
    ['a priority in words', { priority: 'urgent' }, /priority is 'urgent'/],
    ['a negative delay', { executeAfter: -1 }, /executeAfter is -1, which is not a duration/],
    ['a delay without a unit', { executeAfter: '5' }, /executeAfter is "5", which is not a duration/],
    ['a delay that is no number', { executeAfter: Number.NaN }, /executeAfter is null, which is not a duration/],
    ['a date that is none', { executeAfter: new Date('soon') }, /executeAfter is an invalid Date/],
    ['a delay of more than a year', { executeAfter: '366d' }, /executeAfter is more than 365 days ahead/],
    ['an expiry that is more than a year ahead', { expires: '366d' }, /expires is more than 365 days ahead/],
    ['an expiry that has passed', { expires: new Date(NOW) }, /the task would expire before it may start/],
    ['an expiry before the start', { executeAfter: '2m', expires: '1m' }, /would expire before it may start/],
    ['a negative block', { block: -1 }, /block is -1; it must be a block number/],
    ['a block without a number', { block: { hash: '0x' } }, /block is \{ hash: '0x' \}/],
    ['a block that is null', { block: null }, /block is null/],
    ['no attempts', { maxAttempts: 0 }, /maxAttempts is 0; it must be a whole number from 1/],
    ['an uncertain uniqueness', { unique: 'yes' }, /unique is 'yes'; it must be true or false/],
    ['a parent that is no task', { parentId: 'me' }, /parentId is 'me'; it must be the id of a task/],
    ['a root that is no task', { rootId: ID.toUpperCase().replace('0', 'A') }, /rootId is /],
  ])('%s', async (_, options, problem) => {
    const { enqueue, published } = rig()
    await expect(enqueue(plain, {}, { unique: false, ...options })).rejects.toMatchObject({
      code: 'ENQUEUE_INVALID',
      kind: 'non-retryable',
      message: expect.stringMatching(problem) as string,
    })
    expect(published).toEqual([])
  })

  it('all at once, with the name of the task', async () => {
    const refusal = rig({ registry: registryOf(notify) }).enqueue(
      'notify',
      {},
      { queue: 'A', priority: 0.5, unique: false },
    )
    await expect(refusal).rejects.toThrow(
      /Task 'notify' cannot be enqueued:\n {2}- args.*netuid.*\n {2}- queue.*\n {2}- priority/,
    )
  })

  it('a task of another chain', async () => {
    const elsewhere = defineTask({ name: 'elsewhere', chains: ['polkadot'], run: () => undefined })
    await expect(rig().enqueue(elsewhere, {}, { unique: false })).rejects.toThrow(
      /for the chains polkadot, not for 'dev'/,
    )
  })

  it('a name that is not registered, with the nearest that is', async () => {
    const { enqueue } = rig({ registry: registryOf(notify, plain) })
    await expect(enqueue('notfy', {})).rejects.toMatchObject({
      code: 'TASK_UNKNOWN',
      message: expect.stringContaining("Did you mean 'notify'?") as string,
    })
  })

  it('a name without a registry', async () => {
    await expect(rig().enqueue('notify', {})).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('a unique task', () => {
  function claims(claimed: { generation: number; isNew: boolean } | undefined) {
    const log: unknown[] = []
    const port: UniqueClaims = {
      async claim(task: UniqueTask) {
        log.push(['claim', task])
        return claimed
      },
      published: async (...args) => void log.push(['published', ...args]),
      refused: async (...args) => void log.push(['refused', ...args]),
    }
    return { port, log }
  }
  const id = uniqueTaskId({ chain: 'dev', task: 'plain', args: {} })

  it('is every task without a block, and needs a database', async () => {
    const { enqueue, published } = rig()
    for (const options of [{}, { unique: true, block: 7 }]) {
      await expect(enqueue(plain, {}, options)).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        kind: 'configuration',
        message: expect.stringMatching(/'plain' is to be unique.*database.*unique: false/) as string,
      })
    }
    expect(published).toEqual([])
  })

  it('is claimed, published as the run that was claimed, and said to be published', async () => {
    const claim = { generation: NOW + 9, isNew: true }
    const { port, log } = claims(claim)
    const { enqueue, published } = rig({ claims: port })
    expect(await enqueue(plain, {})).toEqual({ id, isNew: true })
    expect(published).toMatchObject([{ generation: NOW + 9, items: [{ id }] }])
    expect(log).toMatchObject([
      ['claim', { id, chain: 'dev', name: 'plain', generation: NOW }],
      ['published', id, claim],
    ])
  })

  it('that is live is not published again', async () => {
    const { port } = claims(undefined)
    const { enqueue, published } = rig({ claims: port })
    expect(await enqueue(plain, {})).toEqual({ id, isNew: false })
    expect(published).toEqual([])
  })

  it('whose claim had lapsed is published, and is not new', async () => {
    const { port } = claims({ generation: 5, isNew: false })
    const { enqueue, published } = rig({ claims: port })
    expect(await enqueue(plain, {})).toEqual({ id, isNew: false })
    expect(published).toMatchObject([{ generation: 5 }])
  })

  it('that the broker refuses is given free, and the caller told', async () => {
    const claim = { generation: NOW, isNew: true }
    const { port, log } = claims(claim)
    const broken = new Error('no')
    const { enqueue } = rig({ claims: port, publish: () => Promise.reject(broken) })
    await expect(enqueue(plain, {})).rejects.toBe(broken)
    expect(log.slice(1)).toEqual([['refused', id, claim]])
  })

  it('may be of a block', async () => {
    const { port } = claims({ generation: NOW + 1, isNew: true })
    const { enqueue, published } = rig({ claims: port })
    const enqueued = await enqueue(plain, {}, { block: 7, unique: true })
    expect(enqueued.id).toBe(taskId({ chain: 'dev', task: 'plain', args: {}, block: { number: 7 } }))
    expect(published).toMatchObject([{ generation: NOW + 1 }])
  })
})
