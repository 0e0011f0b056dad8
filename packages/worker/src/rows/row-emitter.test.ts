import { type JsonObject, type PartList, type RangeCheckpoint, type RowsPart, unpackRows } from '@blockmill/core'
import { anything, array, assert, asyncProperty, dictionary, jsonValue, string } from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createRowEmitter, type RowEmitterOptions } from './row-emitter.ts'

const EXECUTION = '0190f3a0-0000-7000-8000-000000000001'
const EARLIER = { execution: '0190f3a0-0000-7000-8000-000000000000', parts: 2, rows: 7 }
/** A row of about 64 KiB: four of them fill a part. */
const quarter = (name: string): JsonObject => ({ name, filling: 'x'.repeat(65_536) })
const code = (expected: string) => expect.objectContaining({ code: expected }) as unknown

/** An emitter whose broker confirms what the test tells it to. */
function rig({
  confirms = true,
  before = [] as PartList,
  ...options
}: Partial<RowEmitterOptions> & { confirms?: boolean } = {}) {
  const abort = new AbortController()
  const published: (RowsPart & { confirm: () => void; refuse: (error: Error) => void })[] = []
  const checkpoints: RangeCheckpoint[] = []
  const clock = { now: 0 }
  const emitter = createRowEmitter({
    job: 'job',
    taskId: 'task',
    execution: EXECUTION,
    before,
    async publish(part) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      published.push({ ...part, confirm: resolve, refuse: reject })
      if (confirms) resolve()
      await promise
    },
    onCheckpoint: (checkpoint) => checkpoints.push(checkpoint),
    signal: abort.signal,
    clock: () => clock.now,
    ...options,
  })
  const rowsOf = (part: RowsPart): unknown[] =>
    unpackRows(part.data)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  return { ...emitter, abort, published, checkpoints, clock, rows: () => published.flatMap(rowsOf), rowsOf }
}

/** Whether a promise is settled once everything that can go on without the test has gone on. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  return settled
}

afterEach(() => void vi.useRealTimers())

describe('rows', () => {
  it('come in parts in their order, and the last part is confirmed before they count', async () => {
    const { emit, finish, published, rows } = rig({ confirms: false })
    const names = Array.from({ length: 9 }, (_, index) => `row ${index}`)
    for (const name of names) await emit([quarter(name)])
    expect(published.map(({ part, rows: count }) => [part, count])).toEqual([
      [0, 4],
      [1, 4],
    ])

    const finished = finish()
    expect(published).toHaveLength(3)
    for (const { confirm } of published.slice(0, 2)) confirm()
    expect(await isSettled(finished)).toBe(false)
    published[2]?.confirm()
    expect(await finished).toEqual([{ execution: EXECUTION, parts: 3, rows: 9 }])
    expect(rows()).toMatchObject(names.map((name) => ({ name })))
  })

  it('of any JSON come back as they were, whatever their characters are', async () => {
    const nasty = string({ unit: 'binary' })
    await assert(
      asyncProperty(array(dictionary(nasty, jsonValue({ stringUnit: 'binary' }))), async (given) => {
        const wanted = given.map((row) => JSON.parse(JSON.stringify(row)) as JsonObject)
        const { emit, finish, rows } = rig()
        await emit(wanted)
        await finish()
        expect(rows()).toEqual(wanted)
      }),
      { numRuns: 30 },
    )
    const row = {
      nul: 'a\0b',
      lone: '\uD800',
      emoji: '👩‍👩‍👧',
      separators: '\u2028\n\r\u2029',
      big: '115792089237316195423570985008687907853269984665640564039457584007913129639935',
      deep: JSON.parse(`${'['.repeat(190)}${']'.repeat(190)}`) as JsonObject[string],
    }
    const { emit, finish, rows } = rig()
    await emit([row])
    await finish()
    expect(rows()).toEqual([row])
  })

  it('that are no JSON objects fail the attempt, also when the handler does not look', async () => {
    const bad = anything().filter((value) => typeof value !== 'object' || value === null || Array.isArray(value))
    await assert(
      asyncProperty(bad, async (value) => {
        const { emit, finish } = rig()
        await expect(emit([value as JsonObject])).rejects.toEqual(code('ROW_INVALID'))
        await expect(finish()).rejects.toEqual(code('ROW_INVALID'))
      }),
      { numRuns: 50 },
    )
    for (const row of [{ value: 10n }, { at: new Date(0) }, { ratio: Number.NaN }, { run: () => 1 }]) {
      const { emit, finish } = rig()
      void emit([row as unknown as JsonObject])
      await expect(finish()).rejects.toEqual(code('ROW_INVALID'))
    }
    const { emit } = rig()
    await expect(emit({ a: 1 } as never)).rejects.toThrow('emit([row])')
  })

  it('of more than 1 MiB are refused, and those of just 1 MiB are taken', async () => {
    const ofBytes = (bytes: number) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) })
    const { emit, finish, published } = rig()
    await emit([ofBytes(2 ** 20), ofBytes(2 ** 20)])
    expect(await finish()).toEqual([{ execution: EXECUTION, parts: 2, rows: 2 }])
    expect(published.map((part) => unpackRows(part.data).length)).toEqual([2 ** 20 + 1, 2 ** 20 + 1])
    const refused = rig()
    await expect(refused.emit([ofBytes(2 ** 20 + 1)])).rejects.toEqual(code('MESSAGE_TOO_LARGE'))
  })

  it('nobody emitted make no part', async () => {
    const { emit, finish, published } = rig({ before: [EARLIER] })
    await emit([])
    expect(await finish()).toEqual([EARLIER])
    expect(published).toEqual([])
  })
})

describe('back-pressure', () => {
  it('packs the rows of one call at once, and lets the handler go on when it is four parts ahead of the broker', async () => {
    const { emit, finish, published } = rig({ confirms: false })
    const all = emit(Array.from({ length: 32 }, (_, index) => quarter(`${index}`)))
    await isSettled(all)
    expect(published).toHaveLength(8)
    for (const { confirm } of published.slice(0, 3)) confirm()
    expect(await isSettled(all)).toBe(false)
    published[3]?.confirm()
    expect(await isSettled(all)).toBe(true)
    const finished = finish()
    for (const { confirm } of published.slice(4)) confirm()
    expect(await finished).toEqual([{ execution: EXECUTION, parts: 8, rows: 32 }])
  })

  it('packs twelve parts at once of a call with more rows than that, and the others as the broker confirms', async () => {
    const { emit, finish, published } = rig({ confirms: false })
    const all = emit(Array.from({ length: 80 }, (_, index) => quarter(`${index}`)))
    expect(await isSettled(all)).toBe(false)
    expect(published).toHaveLength(12)
    published[2]?.confirm()
    await isSettled(all)
    expect(published).toHaveLength(13)
    for (let next = 0; next < published.length; next += 1) {
      published[next]?.confirm()
      await isSettled(all)
    }
    await all
    const finished = finish()
    for (const { confirm } of published) confirm()
    expect(await finished).toEqual([{ execution: EXECUTION, parts: 20, rows: 80 }])
  })

  it('ends a handler that emits for ever without awaiting, and says so', async () => {
    const { emit, finish, published } = rig({ confirms: false })
    const endless = (): void => {
      for (;;) void emit([quarter('x')])
    }
    expect(endless).toThrow(code('EMIT_NOT_AWAITED'))
    expect(published).toHaveLength(5)
    expect(() => emit([])).toThrow('await emit(rows)')
    await expect(finish()).rejects.toEqual(code('EMIT_NOT_AWAITED'))
  })

  it('forgives a handler that does not await, as long as it comes to an end', async () => {
    const { emit, finish, rows } = rig()
    const names = Array.from({ length: 60 }, (_, index) => `${index}`)
    for (const name of names) void emit([quarter(name)])
    expect(await finish()).toMatchObject([{ rows: 60 }])
    expect(rows()).toMatchObject(names.map((name) => ({ name })))
  })

  it('ends with the signal, for who waits and for who comes after', async () => {
    const { emit, finish, abort } = rig({ confirms: false })
    const waits = emit(Array.from({ length: 40 }, () => quarter('x')))
    abort.abort(new Error('timed out'))
    await expect(waits).rejects.toThrow('timed out')
    expect(() => emit([{ a: 1 }])).toThrow('timed out')
    await expect(finish()).rejects.toThrow('timed out')
  })

  it('ends when the broker will never confirm, because the worker stops', async () => {
    const { emit, finish, abandon, published } = rig({ confirms: false })
    await emit([{ a: 1 }])
    const finished = finish()
    published[0]?.refuse(new Error('the worker stops'))
    await expect(finished).rejects.toThrow('the worker stops')
    await abandon()
  })

  it('refuses what is emitted after the handler has ended', async () => {
    const { emit, checkpoint, finish } = rig()
    await finish()
    await expect(emit([{ a: 1 }])).rejects.toThrow('has ended')
    await expect(checkpoint(1)).rejects.toThrow('has ended')
  })
})

describe('a checkpoint', () => {
  it('keeps the rows before it for a later attempt, and not those behind it', async () => {
    const { emit, checkpoint, abandon, checkpoints, rows } = rig({ before: [EARLIER] })
    await emit([{ n: 1 }, { n: 2 }, { n: 3 }])
    await checkpoint({ next: 4 })
    await emit([{ n: 4 }, { n: 5 }])
    expect(checkpoints).toEqual([])
    await abandon()
    expect(checkpoints).toEqual([
      { cursor: { next: 4 }, parts: [EARLIER, { execution: EXECUTION, parts: 1, rows: 3 }] },
    ])
    expect(rows()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  it('counts once all parts before it are confirmed, in whatever order that happens', async () => {
    const { emit, checkpoint, checkpoints, published } = rig({ confirms: false })
    await emit(Array.from({ length: 8 }, () => quarter('x')))
    await checkpoint(8)
    expect(published).toHaveLength(2)
    published[1]?.confirm()
    await isSettled(Promise.resolve())
    expect(checkpoints).toEqual([])
    published[0]?.confirm()
    await isSettled(Promise.resolve())
    expect(checkpoints).toEqual([{ cursor: 8, parts: [{ execution: EXECUTION, parts: 2, rows: 8 }] }])
  })

  it('makes no part of its own within a second, and one after it', async () => {
    const { emit, checkpoint, finish, published, checkpoints, clock } = rig()
    for (let n = 1; n <= 500; n += 1) {
      await emit([{ n }])
      await checkpoint({ after: n })
    }
    expect(published).toEqual([])
    clock.now += 1_000
    await emit([{ n: 501 }])
    await checkpoint({ after: 501 })
    await isSettled(Promise.resolve())
    expect(checkpoints).toEqual([{ cursor: { after: 501 }, parts: [{ execution: EXECUTION, parts: 1, rows: 501 }] }])
    expect(await finish()).toEqual([{ execution: EXECUTION, parts: 1, rows: 501 }])
  })

  it('within a part that fills ends that part, so that the rows behind it can be told apart', async () => {
    const { emit, checkpoint, published, checkpoints, abandon } = rig()
    await emit([quarter('kept')])
    await checkpoint('first')
    await emit([quarter('a'), quarter('b'), quarter('c'), quarter('d'), quarter('e')])
    expect(published.map(({ rows }) => rows)).toEqual([1, 4])
    await abandon()
    expect(checkpoints).toEqual([{ cursor: 'first', parts: [{ execution: EXECUTION, parts: 1, rows: 1 }] }])
  })

  it('before any row is one too', async () => {
    const { checkpoint, checkpoints } = rig({ before: [EARLIER] })
    await checkpoint(null)
    expect(checkpoints).toEqual([{ cursor: null, parts: [EARLIER] }])
  })

  it('keeps its cursor as it was, whatever the handler does to the object', async () => {
    const { checkpoint, checkpoints } = rig()
    const cursor = { page: 1 }
    await checkpoint(cursor)
    cursor.page = 2
    expect(checkpoints).toMatchObject([{ cursor: { page: 1 } }])
  })

  it('is kept when the attempt was aborted', async () => {
    const { emit, checkpoint, abandon, abort, checkpoints } = rig()
    await emit([{ n: 1 }])
    await checkpoint(1)
    abort.abort(new Error('timed out'))
    await abandon()
    expect(checkpoints).toMatchObject([{ cursor: 1, parts: [{ rows: 1 }] }])
  })

  it('is not waited for longer than five seconds when the broker does not answer', async () => {
    vi.useFakeTimers()
    const { emit, checkpoint, abandon, checkpoints } = rig({ confirms: false })
    await emit([{ n: 1 }])
    await checkpoint(1)
    const abandoned = abandon()
    await vi.advanceTimersByTimeAsync(4_999)
    expect(await isSettled(abandoned)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await abandoned
    expect(checkpoints).toEqual([])
  })

  it.each([10n, { at: new Date(0) }, undefined, 'x'.repeat(64 * 1024)])(
    'refuses a cursor that cannot travel: %#',
    async (cursor) => {
      const { checkpoint, finish } = rig()
      await expect(checkpoint(cursor as never)).rejects.toEqual(code('CHECKPOINT_INVALID'))
      await expect(finish()).rejects.toEqual(code('CHECKPOINT_INVALID'))
    },
  )
})
