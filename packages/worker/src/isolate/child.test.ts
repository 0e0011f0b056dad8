import { Cancel, createSilentLogger, RetryableError } from '@blockmill/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { item, message } from '../../test/messages.ts'
import { createChild } from './child.ts'
import type { ChildEvents } from './child-handle.ts'
import type { ChildEnd } from './child-lost.ts'
import type { FromChild, ToChild } from './child-protocol.ts'

const listener = {
  onProgress: () => undefined,
  publishPart: async () => undefined,
  throttle: async () => undefined,
  onCheckpoint: () => undefined,
}
const job = { message: message(), item: item(1) }
const KILLED: ChildEnd = { exitCode: null, signal: 'SIGKILL' }

/** A child whose other end is played by the test. */
function rig({ diesWhenKilled = true } = {}) {
  let events: ChildEvents | undefined
  const sent: ToChild['type'][] = []
  let kills = 0
  let unfit = 0
  const child = createChild({
    spawn(given) {
      events = given
      return {
        name: 'process 7',
        send: ({ type }) => sent.push(type),
        kill() {
          kills += 1
          if (diesWhenKilled) given.onExit(KILLED)
        },
      }
    },
    setup: { parentPid: 1, taskPackages: [], from: '/', logLevel: 'info' },
    logger: createSilentLogger(),
    onLog: () => undefined,
    onUnfit: () => (unfit += 1),
  })
  const tell = (told: FromChild): void => events?.onMessage(told)
  const progress: unknown[] = []
  return {
    child,
    sent,
    progress,
    kills: () => kills,
    unfit: () => unfit,
    tell,
    exit: (end: ChildEnd) => events?.onExit(end),
    succeed: (tainted = false) =>
      tell({ type: 'ended', outcome: '{"type":"succeeded"}', memoryBytes: 2 ** 20, tainted }),
    run: () => {
      tell({ type: 'ready', memoryBytes: 2 ** 20 })
      const outcome = child.run(job, { ...listener, onProgress: (...report) => progress.push(report) })
      tell({ type: 'started' })
      return outcome
    },
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  expect(left).toBe(0)
})

describe('a child', () => {
  it('is set up, runs attempts one after the other, and counts them', async () => {
    const { child, sent, run, succeed, tell, progress } = rig()
    const first = run()
    tell({ type: 'progress', done: 1, total: 2 })
    succeed()
    expect(await first).toEqual({ type: 'succeeded' })
    const second = run()
    succeed()
    expect(await second).toEqual({ type: 'succeeded' })
    expect([sent, progress, child.tasks, child.fate]).toEqual([['set-up', 'run', 'run'], [[1, 2]], 2, undefined])
  })

  it.each([
    [{ exitCode: 3, signal: null }, /^The process 7 ran this attempt and exited with status 3\. Its memory was 1 MiB/],
    [KILLED, /ended by SIGKILL/],
    [{ exitCode: null, signal: 'SIGSEGV' }, /ended by SIGSEGV/],
  ])('that ends with %j under an attempt costs it', async (end, text) => {
    const { child, run, exit } = rig()
    const outcome = run()
    exit(end)
    expect(await outcome).toMatchObject({
      type: 'failed',
      error: { name: 'ChildLost', message: expect.stringMatching(text) as string },
    })
    expect(child.fate).toBe('lost')
    await child.gone
  })

  it('that ends before it has begun with an attempt costs nothing', async () => {
    const { child, tell, exit } = rig()
    tell({ type: 'ready', memoryBytes: 1 })
    const outcome = child.run(job, listener)
    exit(KILLED)
    expect(await outcome).toBeUndefined()
    expect(await child.run(job, listener)).toBeUndefined()
  })

  it('that does not heed an abort is killed: at once when its event loop is blocked, after the grace when it turns', async () => {
    const blocked = rig()
    const outcome = blocked.run()
    blocked.child.abort(new Error('too long'), 5_000)
    await vi.advanceTimersByTimeAsync(499)
    expect(blocked.kills()).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(blocked.kills()).toBe(1)
    expect(await outcome).toMatchObject({ type: 'failed', error: { message: 'too long' } })

    const turning = rig()
    const ignored = turning.run()
    turning.child.abort(new Error('too long'), 5_000)
    turning.tell({ type: 'aborting' })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(turning.kills()).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(await ignored).toMatchObject({ type: 'failed', error: { message: 'too long' } })
  })

  it('that heeds an abort is not killed, but runs nothing more: something of the attempt may be left', async () => {
    const { child, run, tell, succeed, kills } = rig()
    const outcome = run()
    child.abort(new RetryableError('TASK_TIMED_OUT', 'too long'), 5_000)
    child.abort(new Cancel('again'), 1)
    tell({ type: 'aborting' })
    succeed()
    expect(await outcome).toEqual({ type: 'succeeded' })
    await vi.advanceTimersByTimeAsync(10_000)
    expect([kills(), child.fate]).toEqual([0, 'timed_out'])
  })

  it.each([
    ['timed_out', new RetryableError('TASK_TIMED_OUT', 'too long')],
    ['cancelled', new Cancel('not needed')],
    ['stopped', new RetryableError('WORKER_STOPPING', 'stops')],
  ])('that is killed under its attempt has %s, not merely ended', (fate, reason) => {
    const { child, run, exit } = rig()
    void run()
    child.abort(reason, 5_000)
    exit(KILLED)
    expect(child.fate).toBe(fate)
  })

  it('that an error left in an unknown state is unfit, and says so when it runs nothing', async () => {
    const { child, run, succeed, tell, unfit } = rig()
    const outcome = run()
    succeed(true)
    await outcome
    expect([child.fate, unfit()]).toEqual(['late_error', 0])

    const idle = rig()
    idle.tell({ type: 'ready', memoryBytes: 1 })
    tell({ type: 'late-error', error: { name: 'Error', message: 'late', classes: ['Error'] } })
    idle.tell({ type: 'late-error', error: { name: 'Error', message: 'late', classes: ['Error'] } })
    expect([idle.child.fate, idle.unfit()]).toEqual(['late_error', 1])
  })

  it('that cannot load the tasks is never ready, and says why', async () => {
    const { child, tell, kills } = rig()
    tell({ type: 'unusable', error: { name: 'Error', message: 'no such module', classes: ['Error'] } })
    await expect(child.ready).rejects.toThrow('The process 7 could not load the tasks: no such module')
    expect([kills(), child.fate]).toEqual([1, 'unusable'])
  })

  it('that is not ready within a minute is given up', async () => {
    const { child, kills } = rig()
    await vi.advanceTimersByTimeAsync(60_000)
    await expect(child.ready).rejects.toMatchObject({ code: 'TASK_CHILD_LOST' })
    expect([kills(), child.fate]).toEqual([1, 'unusable'])
  })

  it('that cannot be started at all is lost like one that ends', async () => {
    let unfit = 0
    const child = createChild({
      spawn() {
        throw new Error('EAGAIN')
      },
      setup: { parentPid: 1, taskPackages: [], from: '/', logLevel: 'info' },
      logger: createSilentLogger(),
      onLog: () => undefined,
      onUnfit: () => (unfit += 1),
    })
    expect(unfit).toBe(0)
    await expect(child.ready).rejects.toThrow('The child failed: EAGAIN before it was ready.')
    await child.gone
    expect(unfit).toBe(1)
  })

  it('that is asked to end may close what it has open; when it does not, it is killed', async () => {
    const obedient = rig()
    const ended = obedient.child.end()
    obedient.exit({ exitCode: 0, signal: null })
    await ended
    expect([obedient.sent.at(-1), obedient.kills()]).toEqual(['end', 0])

    const deaf = rig()
    const killed = deaf.child.end()
    await vi.advanceTimersByTimeAsync(1_000)
    await killed
    expect(deaf.kills()).toBe(1)
  })

  it('that not even a kill can end gives its slot back all the same', async () => {
    const { child, run } = rig({ diesWhenKilled: false })
    const outcome = run()
    child.abort(new Error('too long'), 0)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await outcome).toMatchObject({ type: 'failed', error: { message: 'too long' } })
    await child.gone
  })

  it('may be sent anything by the tasks in it', async () => {
    const { run, tell, succeed } = rig()
    const outcome = run()
    for (const odd of [null, 1, 'text', {}, { type: 'other' }]) tell(odd as unknown as FromChild)
    succeed()
    expect(await outcome).toEqual({ type: 'succeeded' })
  })
})
