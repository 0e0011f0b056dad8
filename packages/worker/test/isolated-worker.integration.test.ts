import { type AnyTaskDefinition, discoverTasks } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { expect, it } from 'vitest'
import { createWorkerRig } from './worker-rig.ts'
import { isRunning, TASKS } from './isolation-rig.ts'
import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'

const { broker, events, publish, startWorker } = liveRig(testBroker())

const definitions: readonly AnyTaskDefinition[] = (await discoverTasks([TASKS])).list().map((task) => task.definition)
const isolation = { taskPackages: [TASKS] }

it('a handler that blocks holds its slot until its timeout and no longer', async () => {
  await startWorker('blocked', definitions, { config: { concurrency: 1, stuckGraceMs: 100 }, isolation })
  const last = { maxAttempts: 1 }
  await publish('blocked', { ...last, task: 'timed-process', items: [item(1, { does: 'blockLoop' })] })
  await publish('blocked', { ...last, task: 'timed-thread', items: [item(2, { does: 'blockLoop' })] })
  await publish('blocked', { ...last, task: 'none', items: [item(3, { does: 'echo' })] })
  await waitFor(() => events('none').length === 1, { describe: 'the next task to succeed' })
  const timedOut = { type: 'failed', error: { code: 'TASK_TIMED_OUT' } }
  expect(events('timed-process').filter(({ type }) => type !== 'progress')).toMatchObject([timedOut])
  expect(events('timed-thread').filter(({ type }) => type !== 'progress')).toMatchObject([timedOut])
})

it('loses no task, and charges no other one, while children are replaced and killed under load', async () => {
  const blocks = Array.from({ length: 100 }, (_, block) => block)
  await startWorker('replaced', definitions, { config: { concurrency: 4, maxTasksPerChild: 20 }, isolation })
  await publish(
    'replaced',
    ...blocks.map((block) => ({ task: 'process', items: [item(block, { does: 'killItselfOnce' })] })),
  )
  const ended = () => events('process').filter(({ type }) => type === 'succeeded' || type === 'failed')
  await waitFor(() => ended().length >= 100, { describe: 'all tasks to end', timeoutMs: 100_000 })

  expect(
    ended()
      .map(({ block = -1 }) => block)
      .sort((a, b) => a - b),
  ).toEqual(blocks)
  // Each tenth kills its process at the first attempt: that, and nothing else, costs an attempt.
  expect(
    ended()
      .map(({ block = -1, attempt, type }) => `${type} ${block % 10 === 0} ${attempt}`)
      .sort(),
  ).toEqual([
    ...Array.from({ length: 90 }, () => 'succeeded false 1'),
    ...Array.from({ length: 10 }, () => 'succeeded true 2'),
  ])
  const lost = events('process').filter((event) => event.type === 'retrying')
  expect(lost).toHaveLength(10)
  for (const event of lost) {
    expect(event.error).toMatchObject({ name: 'ChildLost', message: expect.stringContaining('SIGKILL') as string })
  }
})

it('a stop lets handlers finish, and ends every process', async () => {
  const worker = await startWorker('finishing', definitions, { isolation })
  await publish('finishing', { task: 'frugal-process', items: [item(1, { does: 'waitAndTell' })] })
  await waitFor(() => events('frugal-process').some(({ type }) => type === 'progress'), { describe: 'it to run' })
  await worker.stop()
  const [told] = events('frugal-process')
  // A stop waits for the ends of processes, but not for ever.
  await expect.poll(() => isRunning(told?.type === 'progress' ? told.done : 0)).toBe(false)
  // The broker has them all, but may still be about to deliver the last.
  await expect.poll(() => events('frugal-process').map(({ type }) => type)).toEqual(['progress', 'succeeded'])
})

it('a stop whose grace is over ends what still runs, and its task is delivered again', async () => {
  const config = { graceMs: 100, stuckGraceMs: 60_000 }
  const worker = await startWorker('cut-off', definitions, { config, isolation })
  await publish('cut-off', { task: 'recycled-process', items: [item(1, { does: 'blockLoop' })] })
  const [started] = await waitFor(() => events('recycled-process').length > 0 && events('recycled-process'), {
    describe: 'it to run',
  })
  await worker.stop()
  await expect.poll(() => isRunning(started?.type === 'progress' ? started.done : 0)).toBe(false)
  const queue = broker().topology.workQueue('cut-off', 'normal')
  await waitFor(async () => (await broker().depth(queue))?.messages === 1, { describe: 'the task to be back' })
  expect(events('recycled-process').filter(({ type }) => type !== 'progress')).toEqual([])
})

it('a worker that was not told where children get their tasks from is not made', () => {
  return expect(createWorkerRig(definitions)).rejects.toThrow(
    /Tasks run isolated \('frugal-process', .*option `isolation`/,
  )
})
