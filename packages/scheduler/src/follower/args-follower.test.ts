import { createSilentLogger, defineTask } from '@blockmill/core'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'

import { createRecordingBroker } from '../../test/recording-broker.ts'
import { createTaskCoverage } from '../coverage/task-coverage.ts'
import { ArgsFollower } from './args-follower.ts'
import type { FollowerPorts } from './follower-ports.ts'

it('is due while it schedules, and not while it waits to hear whether there is room', async () => {
  const stop = new AbortController()
  const answers = [Promise.withResolvers<boolean>(), Promise.withResolvers<boolean>()] as const
  let asked = 0
  const broker = createRecordingBroker()
  broker.confirm(false)
  const ports: FollowerPorts = {
    chain: 'dev',
    source: { hashes: async () => [] },
    latest: { generationOf: () => 0, remember: () => undefined },
    access: undefined,
    broker,
    logger: createSilentLogger(),
    metrics: { scheduled: () => undefined, conditionFailed: () => undefined },
    defaultMaxAttempts: 3,
    pressure: {
      isFull: () => (answers[asked++] ?? Promise.withResolvers<boolean>()).promise,
      isMonitorBehind: async () => false,
      published: () => undefined,
    },
    now: Date.now,
    stopping: stop.signal,
    abandoned: stop.signal,
    onLeaseLost: () => undefined,
  }
  const coverage = createTaskCoverage(
    { task: 'all', argsHash: '', args: {}, head: 'finalized', startBlock: 0, liveFrom: 0, evaluated: [] },
    { add: async () => undefined, inTurn: (write) => write() },
  )
  const follower = new ArgsFollower(defineTask({ name: 'all', run: () => null }), coverage, ports)
  follower.follow(100_000)
  expect(follower.isDue).toBe(true)

  const running = follower.run()
  await turn()
  expect({ asked, isDue: follower.isDue }).toEqual({ asked: 1, isDue: false })
  answers[0].resolve(false)
  await turn()
  expect({ scheduled: broker.messages.length, isDue: follower.isDue }).toEqual({ scheduled: 500, isDue: true })
  broker.confirm(true)
  await turn()
  expect({ asked, isDue: follower.isDue }).toEqual({ asked: 2, isDue: false })
  answers[1].resolve(true)
  await turn()
  expect(follower.isDue).toBe(false)
  stop.abort()
  await running
  expect(coverage.evaluated).toEqual([{ from: 0, to: 499 }])
})
