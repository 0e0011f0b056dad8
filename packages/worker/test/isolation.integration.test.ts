import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Cancel, ISOLATIONS } from '@blockmill/core'
import { type DevChain, startDevChain, waitFor } from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { childPids, type IsolationRig, isolationRig, isRunning, TASKS } from './isolation-rig.ts'
import { item } from './messages.ts'

/** One rig for what leaves its children as they were. */
let shared: IsolationRig
/** One with a single child at a time, which one test may leave to the next. */
let single: IsolationRig
beforeAll(async () => {
  shared = await isolationRig()
  single = await isolationRig({ concurrency: 1 })
})
afterAll(async () => {
  await shared.stop()
  await single.stop()
})

/** A rig of the test's own. */
async function ownRig(options: Parameters<typeof isolationRig>[0] = {}): Promise<IsolationRig> {
  const rig = await isolationRig(options)
  onTestFinished(() => rig.stop())
  return rig
}

function resultOf(outcome: Awaited<ReturnType<IsolationRig['run']>>): Record<string, number> {
  expect(outcome.type).toBe('succeeded')
  return (outcome as { readonly result: Record<string, number> }).result
}

describe.each(ISOLATIONS)('a handler with isolation %s', (isolation) => {
  it('gets its block, arguments, task id and attempt, and may spread its context', async () => {
    expect(await shared.run(isolation, 'echo', { block: 7 })).toEqual({
      type: 'succeeded',
      result: { block: { number: 7 }, args: { does: 'echo' }, taskId: item(7).id, attempt: 1 },
    })
  })

  it('may return nothing', async () => {
    expect(await shared.run(isolation, 'returnNothing')).toEqual({ type: 'succeeded' })
  })

  it('fails with all that a policy needs to know: classes, code, what to wait for, cause', async () => {
    const outcome = await shared.run(isolation, 'throwSubclass')
    expect(outcome).toEqual({
      type: 'failed',
      error: {
        name: 'TooManyRequests',
        message: 'slow down',
        classes: ['TooManyRequests', 'HttpError', 'Error'],
        code: 'HTTP_429',
        retryAfterMs: 7_000,
        stack: expect.stringMatching(/isolated-tasks\.ts[\s\S]*caused by: Error: the limit is 5 a second/) as string,
      },
    })
  })

  it('may throw what is no error', async () => {
    expect(await shared.run(isolation, 'rejectWithText')).toMatchObject({
      type: 'failed',
      error: { name: 'NonError', classes: ['NonError'] },
    })
  })

  it('postpones and cancels', async () => {
    const later = { type: 'postponed', delayMs: 300_000, reason: 'too early' }
    expect(await shared.run(isolation, 'postpone')).toEqual(later)
    const sooner = await shared.run(isolation, 'postponeByDefault')
    expect(sooner).toMatchObject({ type: 'postponed', reason: 'postponed by its handler' })
    expect(sooner).not.toHaveProperty('delayMs', expect.anything())
    expect(await shared.run(isolation, 'cancel')).toEqual({ type: 'cancelled', reason: 'pointless' })
  })

  it.each([
    ['returnBigint', 'RESULT_NOT_JSON', /result\.rows\[0\]\.amount is a bigint/],
    ['returnDate', 'RESULT_NOT_JSON', /result\.at is a Date/],
    ['returnTooMuch', 'RESULT_TOO_LARGE', /262145 bytes/],
  ] as const)('fails when it should %s', async (does, code, message) => {
    expect(await shared.run(isolation, does)).toMatchObject({
      type: 'failed',
      error: { code, message: expect.stringMatching(message) as string },
    })
  })

  it('may return 256 KiB', async () => {
    const outcome = await shared.run(isolation, 'returnAsMuchAsFits')
    expect(outcome).toMatchObject({ type: 'succeeded', result: expect.stringMatching(/^x{262142}$/) as string })
  })

  it('fails when it reads the chain of a worker that has none', async () => {
    expect(await shared.run(isolation, 'readChain')).toMatchObject({
      type: 'failed',
      error: { code: 'CONFIG_INVALID', message: expect.stringContaining('CHAIN_URL') as string },
    })
  })

  it('reports progress', async () => {
    const reports: unknown[] = []
    await shared.run(isolation, 'reportProgress', { onProgress: (...report) => reports.push(report) })
    expect(reports).toEqual([[3, 10]])
  })

  it('logs with the fields of its task, at the level of the worker', async () => {
    const from = shared.lines.length
    await shared.run(isolation, 'log', { block: 9 })
    const fields = { service: 'worker', task: isolation, taskId: item(9).id, attempt: 1, block: 9 }
    expect(shared.lines.slice(from)).toMatchObject([
      { ...fields, level: 30, msg: 'hello', netuid: 3, nested: { deep: [1] } },
      { ...fields, level: 50, msg: 'went wrong', step: 2, err: { type: 'TypeError', message: 'boom' } },
    ])
  })

  it.each(['heedSignal', 'returnAfterAbort'] as const)('times out, and may %s', async (does) => {
    expect(await shared.run(`timed-${isolation}`, does)).toMatchObject({
      type: 'failed',
      error: { code: 'TASK_TIMED_OUT', message: expect.stringContaining('300ms') as string },
    })
  })

  it('is cancelled by the reason that its signal is aborted with', async () => {
    const abort = new AbortController()
    const outcome = shared.run(isolation, 'heedSignal', {
      abort,
      onProgress: () => abort.abort(new Cancel('by an operator')),
    })
    expect(await outcome).toEqual({ type: 'cancelled', reason: 'by an operator' })
  })
})

describe.each(['thread', 'process'] as const)('a handler in a %s', (kind) => {
  it('runs in none of the others, and its child runs one attempt at a time', async () => {
    const rig = await ownRig({ maxChildren: 2 })
    const runs = await Promise.all([1, 2, 3, 4].map((block) => rig.run(kind, 'wait', { block })))
    const places = runs.map((outcome) => JSON.stringify(resultOf(outcome)))
    expect(new Set(places).size).toBe(2)
    expect(places).not.toContain(JSON.stringify({ pid: process.pid, threadId: 0 }))
    expect(rig.size()).toBe(2)
  })

  it('that blocks its event loop is ended at its timeout, and the next attempt runs', async () => {
    await single.run(kind, 'where')
    const began = performance.now()
    const blocked = single.run(`timed-${kind}`, 'blockLoop')
    const next = single.run(kind, 'where')
    expect(await blocked).toMatchObject({ type: 'failed', error: { code: 'TASK_TIMED_OUT' } })
    // 300 ms until the timeout, 300 of grace, and what ending a child takes on a busy machine.
    expect(performance.now() - began).toBeLessThan(300 + 300 + 20_000)
    expect((await next).type).toBe('succeeded')
  })

  it('that ignores its signal is ended after the grace, and nothing of it is left', async () => {
    expect(await single.run(`timed-${kind}`, 'ignoreSignal')).toMatchObject({
      type: 'failed',
      error: { code: 'TASK_TIMED_OUT' },
    })
    expect(single.size()).toBe(0)
  })

  it('that blocks is cancelled by force', async () => {
    const abort = new AbortController()
    const cancel = (): void => abort.abort(new Cancel('by an operator'))
    expect(await single.run(kind, 'blockLoop', { abort, onProgress: cancel })).toEqual({
      type: 'cancelled',
      reason: 'by an operator',
    })
  })

  it.each([
    ['exit', /exited with status 3/],
    ['exitBetween', /exited with status 0/],
  ] as const)('that calls process.exit costs one attempt: %s', async (does, text) => {
    const outcome = await single.run(kind, does)
    expect(outcome).toMatchObject({
      type: 'failed',
      error: {
        name: 'ChildLost',
        code: 'TASK_CHILD_LOST',
        classes: ['ChildLost', 'RetryableError', 'BlockmillError', 'Error'],
        message: expect.stringMatching(text) as string,
      },
    })
    expect(outcome).toMatchObject({
      error: {
        message: expect.stringMatching(new RegExp(`^The ${kind} \\d+ ran .* \\d.* MiB when last seen`)) as string,
      },
    })
    expect((await single.run(kind, 'where')).type).toBe('succeeded')
  })

  it('that fills its heap costs one attempt, and the error says so', async () => {
    const rig = await ownRig({ sources: { taskPackages: [TASKS], heapLimitMb: 128 } })
    expect(await rig.run(kind, 'fillHeap')).toMatchObject({
      type: 'failed',
      error: {
        code: 'TASK_CHILD_LOST',
        message: expect.stringMatching(/ran out of memory|SIGABRT\. Node does that when its heap is full/) as string,
      },
    })
    expect((await rig.run(kind, 'where')).type).toBe('succeeded')
  })

  it.each(['throwAfterReturning', 'rejectAfterReturning', 'throwWhileRunning'] as const)(
    'fails with an error that nobody caught, in a child that runs nothing else: %s',
    async (does) => {
      const before = resultOf(await single.run(kind, 'where'))
      expect(await single.run(kind, does)).toMatchObject({
        type: 'failed',
        error: {
          code: 'TASK_CHILD_LOST',
          message: expect.stringMatching(
            /^The attempt threw an error that nobody caught: (after|beside) the/,
          ) as string,
          stack: expect.stringContaining('caused by: RangeError') as string,
        },
      })
      expect(resultOf(await single.run(kind, 'where'))).not.toEqual(before)
    },
  )

  it('is not blamed for what an earlier one left running; the error is logged and the child replaced', async () => {
    const from = single.lines.length
    const first = resultOf(await single.run(kind, 'throwIntoNext', { block: 1 }))
    expect(resultOf(await single.run(kind, 'wait', { block: 2 }))).toEqual(first)
    expect(single.lines.slice(from)).toMatchObject([
      { level: 50, task: kind, taskId: item(1).id, error: { message: 'into the next' } },
    ])
    expect(resultOf(await single.run(kind, 'where'))).not.toEqual(first)
  })

  it('costs nothing when its child has died between two attempts', async () => {
    const first = resultOf(await single.run(kind, 'throwMuchLater'))
    await waitFor(() => single.size() === 0, { describe: 'the child to be given up' })
    expect(resultOf(await single.run(kind, 'where'))).not.toEqual(first)
  })

  it('gets a new child after as many tasks as its definition allows', async () => {
    const rig = await ownRig({ concurrency: 1 })
    const places: string[] = []
    for (let block = 1; block <= 7; block += 1) {
      places.push(JSON.stringify(resultOf(await rig.run(`recycled-${kind}`, 'where', { block }))))
    }
    const [a, b, c] = [...new Set(places)]
    expect(places).toEqual([a, a, a, b, b, b, c])
  })

  it('gets a new child when the last attempt left it above the memory limit', async () => {
    const rig = await ownRig({ concurrency: 1 })
    const places: string[] = []
    for (let block = 1; block <= 5; block += 1) {
      places.push(JSON.stringify(resultOf(await rig.run(`frugal-${kind}`, 'keepMemory', { block }))))
    }
    const distinct = new Set(places).size
    expect(distinct).toBeGreaterThanOrEqual(2)
    expect(distinct).toBeLessThanOrEqual(5)
    expect(places[0]).not.toBe(places[4])
  })

  it('stops with its worker: no thread or process is left', async () => {
    const rig = await ownRig()
    const pids: number[] = []
    const outcomes = [1, 2].map((block) => rig.run(kind, 'blockLoop', { block, onProgress: (pid) => pids.push(pid) }))
    await waitFor(() => pids.length === 2, { describe: 'both to run' })
    await rig.stop()
    expect(rig.size()).toBe(0)
    expect((await Promise.all(outcomes)).map(({ type }) => type)).toEqual(['failed', 'failed'])
    if (kind === 'process') expect(pids.filter(isRunning)).toEqual([])
    expect(await rig.run(kind, 'where')).toMatchObject({ type: 'failed', error: { code: 'WORKER_STOPPING' } })
  })
})

describe('a handler of a worker with a chain', () => {
  let chain: DevChain
  beforeAll(async () => {
    chain = await startDevChain()
  })
  afterAll(() => chain.stop())

  it.each(['thread', 'process'] as const)('reads it in a %s by a connection of its own', async (kind) => {
    const rig = await ownRig({ chain: { id: 'dev', kind: 'substrate', endpoints: [chain.url] } })
    expect(await rig.run(kind, 'askChain', { block: 1 })).toEqual({ type: 'succeeded', result: 1 })
  })
})

describe('a process', () => {
  it('that is killed costs one attempt, and the error names the signal and its memory', async () => {
    expect(await single.run('process', 'killItself')).toMatchObject({
      type: 'failed',
      error: {
        code: 'TASK_CHILD_LOST',
        message: expect.stringMatching(/^The process \d+ .*ended by SIGKILL.* MiB when last seen\.$/) as string,
      },
    })
  })

  it('that is killed while it starts costs nothing', async () => {
    const rig = await ownRig()
    const before = childPids()
    const running = rig.run('process', 'where')
    const [pid = 0] = childPids().filter((one) => !before.includes(one))
    process.kill(pid, 'SIGKILL')
    expect(resultOf(await running)['pid']).not.toBe(pid)
    expect(rig.lines).toMatchObject([
      { level: 40, err: { message: `The process ${pid} was ended by SIGKILL before it was ready.` } },
    ])
  })

  it('lets the worker decide about signals that reach the whole group', async () => {
    const { pid = 0 } = resultOf(await single.run('process', 'where'))
    const running = single.run('process', 'wait')
    process.kill(pid, 'SIGINT')
    process.kill(pid, 'SIGTERM')
    expect(resultOf(await running)).toMatchObject({ pid })
  })

  it.each(['heedSignal', 'blockLoop'] as const)(
    'ends with a worker that was killed, even while it does %s',
    async (does) => {
      const script = fileURLToPath(new URL('fixtures/isolating-process.ts', import.meta.url))
      const parent = fork(script, [TASKS, does])
      onTestFinished(() => void parent.kill('SIGKILL'))
      const [pid] = (await once(parent, 'message')) as [number]
      onTestFinished(() => {
        if (isRunning(pid)) process.kill(pid, 'SIGKILL')
      })
      expect(isRunning(pid)).toBe(true)
      parent.kill('SIGKILL')
      await waitFor(() => !isRunning(pid), { describe: 'the child to end' })
    },
  )
})
