import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LANES } from '../task/lane.ts'
import { adHocTaskId } from '../task/task-id.ts'
import { eventMessageCodec, heartbeatCodec, MAX_MESSAGE_BYTES, taskMessageCodec } from './codec.ts'
import { type EventMessage, FAILURE_REASONS } from './event-message.ts'
import { CAUSES, type TaskMessage } from './task-message.ts'

const sound: TaskMessage = {
  v: 1,
  chain: 'dev',
  task: 'noop',
  queue: 'default',
  lane: 'normal',
  priority: 10,
  attempt: 1,
  postpones: 0,
  maxAttempts: 3,
  scheduledAt: '2026-01-01T00:00:00.000Z',
  cause: 'live',
  items: [{ id: adHocTaskId(), block: { number: 1 }, args: {} }],
}

const decode = (changes: Record<string, unknown>) =>
  taskMessageCodec.decode(Buffer.from(JSON.stringify({ ...sound, ...changes })))

const times = fc
  .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  .map((date) => date.toISOString())
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const numbers = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const jsonArgs = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__' && key !== 'constructor'),
  fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string())),
)
const messages = fc.record({
  v: fc.constant(1),
  chain: fc.string({ minLength: 1, maxLength: 128 }),
  task: fc.string({ minLength: 1, maxLength: 128 }),
  queue: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  lane: fc.constantFrom(...LANES),
  priority: fc.integer(),
  generation: optional(numbers),
  attempt: fc.integer({ min: 1 }),
  postpones: fc.nat(),
  maxAttempts: fc.integer({ min: 1 }),
  scheduledAt: times,
  notBefore: optional(times),
  expiresAt: optional(times),
  cause: fc.constantFrom(...CAUSES),
  items: fc.array(
    fc.record({
      id: fc.uuid(),
      block: optional(fc.record({ number: numbers, hash: optional(fc.string({ maxLength: 128 })) })),
      args: jsonArgs,
    }),
    { minLength: 1, maxLength: 5 },
  ),
})

describe('the codec of task messages', () => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const travelled = taskMessageCodec.decode(taskMessageCodec.encode(message as TaskMessage))
        expect(travelled).toEqual(JSON.parse(JSON.stringify(message)))
      }),
    )
  })

  it('decodes or refuses any bytes, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json(), fc.string()), (body) => {
        expect(() => taskMessageCodec.decode(Buffer.from(body as string))).toThrow(
          expect.objectContaining({ code: 'MESSAGE_INVALID', kind: 'non-retryable' }),
        )
      }),
    )
  })

  it('ignores properties that a later version may add', () => {
    expect(decode({ shard: 3, items: [{ ...sound.items[0], weight: 1 }] })).toMatchObject({ task: 'noop' })
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['of version 2', { v: 2 }, /\/v must/],
    ['without a version', { v: undefined }, /required properties v/],
    ['without a task', { task: '' }, /\/task must/],
    ['for a queue with dots', { queue: 'a.b' }, /\/queue must/],
    ['for a lane that does not exist', { lane: 'urgent' }, /\/lane must/],
    ['with attempt 0', { attempt: 0 }, /\/attempt must/],
    ['with a negative number of postpones', { postpones: -1 }, /\/postpones must/],
    ['with a fraction of a priority', { priority: 1.5 }, /\/priority must/],
    ['with an unknown cause', { cause: 'whim' }, /\/cause must/],
    ['without items', { items: [] }, /\/items must/],
    ['with 501 items', { items: Array.from({ length: 501 }, () => sound.items[0]) }, /\/items must/],
    ['with an id that is none', { items: [{ id: 'x', args: {} }] }, /\/items\/0\/id must/],
    [
      'with a negative block',
      { items: [{ ...sound.items[0], block: { number: -1 } }] },
      /\/items\/0\/block\/number must/,
    ],
    [
      'with a block beyond 2^53',
      { items: [{ ...sound.items[0], block: { number: 2 ** 53 } }] },
      /\/block\/number must/,
    ],
    ['with arguments that are a list', { items: [{ ...sound.items[0], args: [] }] }, /\/items\/0\/args must/],
    ['with a time that has no zone', { scheduledAt: '2026-01-01T00:00:00' }, /\/scheduledAt must/],
    ['with a month that does not exist', { notBefore: '2026-13-01T00:00:00Z' }, /\/notBefore must/],
    ['with a time in words', { expiresAt: 'tomorrow' }, /\/expiresAt must/],
  ])('refuses a message %s and names the place', (_, changes, problem) => {
    expect(() => decode(changes)).toThrow(problem)
  })

  it('takes only times that can be calculated with', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/), (scheduledAt) => {
        try {
          decode({ scheduledAt })
        } catch {
          return
        }
        expect(Date.parse(scheduledAt)).not.toBeNaN()
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([
    '{"v":1,"__proto__":{"polluted":true}}',
    '{"v":1,"items":[{"args":{"a":{"__proto__":{"polluted":true}}}}]}',
    String.raw`{"v":1,"\u005f\u005fproto\u005f\u005f":{"polluted":true}}`,
    '{"v":1,"constructor":{"prototype":{"polluted":true}}}',
  ])('refuses %s, which would change the prototype of objects', (body) => {
    expect(() => taskMessageCodec.decode(Buffer.from(body))).toThrow(/forbidden prototype property/)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('takes the same words where they are only text', () => {
    const [first] = sound.items
    expect(decode({ items: [{ ...first, args: { note: '__proto__', constructor: 'x' } }] }).items).toHaveLength(1)
  })

  it('takes a megabyte, and refuses a byte more both ways, naming the size', () => {
    const withSize = (bytes: number): TaskMessage => {
      const filler = (size: number): TaskMessage => ({
        ...sound,
        items: [{ ...sound.items[0], args: { s: 'x'.repeat(size) } } as TaskMessage['items'][0]],
      })
      return filler(bytes - JSON.stringify(filler(0)).length)
    }
    expect(taskMessageCodec.decode(taskMessageCodec.encode(withSize(MAX_MESSAGE_BYTES)))).toBeDefined()
    const tooLarge = withSize(MAX_MESSAGE_BYTES + 1)
    expect(() => taskMessageCodec.encode(tooLarge)).toThrow(/1048577 bytes exceeds the limit of 1048576/)
    expect(() => taskMessageCodec.decode(Buffer.from(JSON.stringify(tooLarge)))).toThrow(/1048577 bytes/)
  })

  it('refuses 20 MiB without reading them', () => {
    const before = process.memoryUsage().heapUsed
    expect(() => taskMessageCodec.decode(Buffer.alloc(20 * MAX_MESSAGE_BYTES, 'x'))).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }),
    )
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * MAX_MESSAGE_BYTES)
  })
})

describe('the codec of event messages', () => {
  const at = '2026-01-01T00:00:00.000Z'
  const facts = { taskId: adHocTaskId(), chain: 'dev', task: 'noop', block: 1, attempt: 1, postpones: 0, at }
  const error = { name: 'Error', message: 'boom', classes: ['Error'] }
  const events = [
    { type: 'started', ...facts },
    { type: 'succeeded', ...facts, startedAt: at, result: { any: ['thing', null] } },
    { type: 'retrying', ...facts, startedAt: at, error, delayMs: 1_000, nextAttemptAt: at },
    { type: 'postponed', ...facts, startedAt: at, reason: 'later', delayMs: 1_000, nextAttemptAt: at },
    ...FAILURE_REASONS.map((reason) => ({ type: 'failed', ...facts, startedAt: at, error, reason })),
    { type: 'cancelled', ...facts, startedAt: at, reason: 'pointless' },
    { type: 'orphaned', ...facts, reason: 'reorganised' },
    { type: 'progress', ...facts, done: 1, total: 2 },
    { type: 'split', ...facts, startedAt: at, reason: 'too many rows', safeSize: 100 },
  ]
  const messageOf = (list: unknown[]) => ({ v: 1, worker: 'w1', sentAt: at, events: list }) as EventMessage

  it('carries every kind of event', () => {
    const message = messageOf(events)
    expect(eventMessageCodec.decode(eventMessageCodec.encode(message))).toEqual(message)
  })

  it.each([
    ['no events', []],
    ['an unknown kind', [{ ...events[0], type: 'exploded' }]],
    ['an unknown reason', [{ ...facts, type: 'failed', startedAt: at, error, reason: 'bad luck' }]],
    ['a result without its start', [{ ...facts, type: 'succeeded' }]],
    ['an attempt 0', [{ ...events[0], attempt: 0 }]],
  ])('refuses %s', (_, list) => {
    expect(() => eventMessageCodec.decode(Buffer.from(JSON.stringify(messageOf(list))))).toThrow(
      /not a valid event message/,
    )
  })
})

it('refuses a heartbeat that lacks what it reports', () => {
  expect(() => heartbeatCodec.decode(Buffer.from('{"v":1,"worker":"w1"}'))).toThrow(/not a valid heartbeat/)
})
