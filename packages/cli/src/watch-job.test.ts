import { expect, it } from 'vitest'

import { watchJob, type WatchedJob } from './watch-job.ts'

const job: WatchedJob = { state: 'running', note: null, done: 1, total: 10, blocksPerSecond: 2 }

it('tells each change once, shows progress, and ends with the job', async () => {
  const looks = [job, job, { ...job, note: 'it waits' }, { ...job, state: 'completed', done: 10 }]
  const told: string[] = []
  const shown: unknown[] = []
  let ended = 0
  const interrupted = new AbortController()
  const progress = { show: (so: unknown) => shown.push(so), end: () => (ended += 1) }
  const look = async () => looks.shift() ?? { ...job, state: 'completed' }
  await watchJob(look, {
    isOver: (state) => state === 'completed',
    progress,
    tell: (line) => told.push(line),
    signal: interrupted.signal,
    everyMs: 1,
  })
  expect(told).toEqual(['running', 'running: it waits', 'completed'])
  expect(shown).toEqual([1, 2, 3].map(() => ({ done: 1, total: 10, perSecond: 2 })))
  expect(ended).toBeGreaterThan(0)
})

it('ends when the signal aborts, after one more look', async () => {
  const interrupted = new AbortController()
  let looks = 0
  const watching = watchJob(
    async () => {
      looks += 1
      return job
    },
    {
      isOver: () => false,
      progress: { show: () => interrupted.abort(), end: () => undefined },
      tell: () => undefined,
      signal: interrupted.signal,
    },
  )
  await watching
  expect(looks).toBe(2)
})
