import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Child } from './child.ts'
import type { ChildFate } from './child-fate.ts'
import { type ChildKind, type ChildNeed, type ChildPoolOptions, createChildPool } from './child-pool.ts'

interface FakeChild extends Child {
  readonly kind: ChildKind
  tasks: number
  memoryBytes: number
  fate: ChildFate | undefined
  ended: boolean
  readonly start: PromiseWithResolvers<void>
  readonly onUnfit: () => void
}

const THREAD: ChildNeed = { kind: 'thread' }
const PROCESS: ChildNeed = { kind: 'process' }
const never = new AbortController().signal

/** A pool of children that start when they are told. */
function rig(options: Partial<ChildPoolOptions> = {}) {
  const created: FakeChild[] = []
  const ends: string[] = []
  const pool = createChildPool({
    maxChildren: 2,
    onEnded: (kind, reason) => ends.push(`${kind} ${reason}`),
    create(kind, onUnfit) {
      const start = Promise.withResolvers<void>()
      const gone = Promise.withResolvers<void>()
      const child: FakeChild = {
        kind,
        name: `${kind} ${created.length + 1}`,
        ready: start.promise,
        gone: gone.promise,
        start,
        onUnfit,
        tasks: 0,
        memoryBytes: 0,
        fate: undefined,
        ended: false,
        run: () => Promise.resolve(undefined),
        abort: () => undefined,
        end() {
          child.ended = true
          gone.resolve()
          return gone.promise
        },
      }
      created.push(child)
      return child
    },
    ...options,
  })
  const startAll = (): void => {
    for (const child of created) child.start.resolve()
  }
  /** Acquires, and lets what is created for that start. */
  const take = async (need: ChildNeed): Promise<FakeChild> => {
    const acquired = pool.acquire(need, never)
    startAll()
    return (await acquired) as FakeChild
  }
  return { pool, created, ends, startAll, take }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What promises do that are settled by now. */
const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

describe('a pool of children', () => {
  it('starts as many as are needed and no more than it may; later attempts wait in turn', async () => {
    const { pool, created, take } = rig()
    const first = await take(THREAD)
    await take(THREAD)
    const got: string[] = []
    void pool.acquire(THREAD, never).then(({ name }) => got.push(`third ${name}`))
    void pool.acquire(THREAD, never).then(({ name }) => got.push(`fourth ${name}`))
    await turn()
    expect([created.length, got]).toEqual([2, []])
    pool.release(first, THREAD)
    await turn()
    expect(got).toEqual(['third thread 1'])
  })

  it('gives the child that waited least, so that others may end when they are not needed for a while', async () => {
    const { pool, created, take } = rig({ idleMs: 1_000 })
    const [a, b] = [await take(THREAD), await take(THREAD)]
    pool.release(a, THREAD)
    pool.release(b, THREAD)
    await vi.advanceTimersByTimeAsync(600)
    expect(await take(THREAD)).toBe(b)
    pool.release(b, THREAD)
    await vi.advanceTimersByTimeAsync(600)
    expect(created.map(({ ended }) => ended)).toEqual([true, false])
    expect(pool.size).toBe(1)
  })

  it('does not end one for its idleness that runs again', async () => {
    const { pool, take } = rig({ idleMs: 1_000 })
    const child = await take(THREAD)
    pool.release(child, THREAD)
    await take(THREAD)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(child.ended).toBe(false)
  })

  it.each<[string, Partial<ChildNeed>, Partial<FakeChild>, Partial<FakeChild>, string]>([
    ['has run enough tasks', { maxTasks: 3 }, { tasks: 2 }, { tasks: 3 }, 'max_tasks'],
    ['uses too much memory', { maxMemoryBytes: 100 }, { memoryBytes: 100 }, { memoryBytes: 101 }, 'max_memory'],
    ['is in an unknown state', {}, { fate: undefined }, { fate: 'late_error' }, 'late_error'],
  ])('replaces a child that %s, and not before, and tells why', async (_, limit, before, after, reason) => {
    const { pool, ends, take } = rig()
    const need = { ...THREAD, ...limit }
    const child = Object.assign(await take(need), before)
    pool.release(child, need)
    expect(await take(need)).toBe(child)
    Object.assign(child, after)
    expect(ends).toEqual([])
    pool.release(child, need)
    expect([child.ended, ends]).toEqual([true, [`thread ${reason}`]])
    expect(await take(need)).not.toBe(child)
  })

  it('does not run a task in a child that is worn by its measure, whatever others find of it', async () => {
    const { pool, take } = rig({ maxChildren: 1 })
    const child = await take(THREAD)
    child.tasks = 1
    pool.release(child, THREAD)
    expect(await take({ ...THREAD, maxTasks: 1 })).not.toBe(child)
    expect(child.ended).toBe(true)
  })

  it('makes room for a process by ending an idle thread', async () => {
    const { pool, ends, startAll, take } = rig({ maxChildren: 1 })
    const thread = await take(THREAD)
    expect([pool.sizeOf('thread'), pool.sizeOf('process')]).toEqual([1, 0])
    const waiting = pool.acquire(PROCESS, never)
    expect(thread.ended).toBe(false)
    pool.release(thread, THREAD)
    expect(thread.ended).toBe(true)
    startAll()
    expect(await waiting).toMatchObject({ kind: 'process' })
    expect([pool.sizeOf('thread'), pool.sizeOf('process'), ends]).toEqual([0, 1, ['thread room']])
  })

  it('tells the attempt that a child cannot be started, and starts one for the next', async () => {
    const { pool, created } = rig({ maxChildren: 1 })
    const failing = pool.acquire(THREAD, never)
    const next = pool.acquire(THREAD, never)
    created[0]?.start.reject(new Error('no resources'))
    await expect(failing).rejects.toThrow('no resources')
    created[1]?.start.resolve()
    expect(await next).toBe(created[1])
    expect(pool.size).toBe(1)
  })

  it('forgets an attempt that is aborted while it waits', async () => {
    const { pool, take } = rig({ maxChildren: 1 })
    const child = await take(THREAD)
    const abort = new AbortController()
    const aborted = pool.acquire(THREAD, abort.signal)
    const next = pool.acquire(THREAD, never)
    abort.abort(new Error('cancelled'))
    await expect(aborted).rejects.toThrow('cancelled')
    pool.release(child, THREAD)
    expect(await next).toBe(child)
    await expect(pool.acquire(THREAD, abort.signal)).rejects.toThrow('cancelled')
  })

  it('keeps the child of an attempt that is aborted while it starts, for the next', async () => {
    const { pool, created } = rig({ maxChildren: 1 })
    const abort = new AbortController()
    const aborted = pool.acquire(THREAD, abort.signal)
    const next = pool.acquire(THREAD, never)
    abort.abort(new Error('cancelled'))
    await expect(aborted).rejects.toThrow('cancelled')
    created[0]?.start.resolve()
    expect(await next).toBe(created[0])
    expect(created).toHaveLength(1)
  })

  it('replaces an idle child that went away by itself', async () => {
    const { pool, ends, take } = rig()
    const child = await take(THREAD)
    pool.release(child, THREAD)
    child.fate = 'lost'
    child.onUnfit()
    expect([pool.size, ends]).toEqual([0, ['thread lost']])
    expect(await take(THREAD)).not.toBe(child)
  })

  it('stops: ends all, also those that run, and gives none any more', async () => {
    const { pool, created, ends, take } = rig()
    const [a] = [await take(THREAD), await take(PROCESS)]
    pool.release(a, THREAD)
    const [busy, waiting] = [await take(THREAD), pool.acquire(PROCESS, never)]
    const stopped = pool.stop()
    await expect(waiting).rejects.toMatchObject({ code: 'WORKER_STOPPING' })
    await stopped
    await pool.stop()
    expect(created.map(({ ended }) => ended)).toEqual([true, true])
    expect(ends).toEqual(['thread stopped', 'process stopped'])
    pool.release(busy, THREAD)
    await expect(pool.acquire(THREAD, never)).rejects.toMatchObject({ code: 'WORKER_STOPPING' })
    expect(vi.getTimerCount()).toBe(0)
  })
})
