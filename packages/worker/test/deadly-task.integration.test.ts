import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { defineTask, taskMessageCodec } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'

const shared = testBroker()
const { broker, events, publish, startWorker } = liveRig(shared)

const script = fileURLToPath(new URL('fixtures/deadly-worker.ts', import.meta.url))

function newWorker(): ChildProcess {
  const child = fork(script, [shared.url, shared.namespace, 'deadly'])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function deadBlocks(): Promise<() => number[]> {
  const dead: number[] = []
  const subscription = await broker().consume({
    queue: broker().topology.deadQueue,
    prefetch: 100,
    onDelivery(delivery) {
      dead.push(taskMessageCodec.decode(delivery.body).items[0]?.block?.number ?? -1)
      delivery.ack()
    },
  })
  onTestFinished(() => subscription.close())
  return () => dead
}

function succeeded(task: string): number[] {
  const blocks = events(task).flatMap(({ type, block = -1 }) => (type === 'succeeded' ? [block] : []))
  return [...new Set(blocks)].sort((a, b) => a - b)
}

it('a task that ends its worker again and again ends in dead, alone', { timeout: 300_000 }, async () => {
  const dead = await deadBlocks()
  // Five before it, and five after it.
  const blocks = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10]
  await publish('deadly', ...blocks.map((block) => ({ items: [item(block)] })))

  const isDone = () => dead().length > 0 && succeeded('deadly').length === 10
  let kills = 0
  // To load its code takes a process most of its life, so the next ones are made ready while one works.
  const ready = Array.from({ length: 3 }, newWorker)
  while (!isDone()) {
    const child = ready.shift() ?? newWorker()
    ready.push(newWorker())
    child.send('start')
    await waitFor(() => isDone() || child.exitCode !== null, { describe: 'an end', timeoutMs: 60_000 })
    if (child.exitCode === 9) kills += 1
    child.kill('SIGKILL')
  }
  expect(dead()).toEqual([0])
  expect(succeeded('deadly')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(kills).toBeGreaterThan(20)
})

it('workers that are replaced 25 times put nothing on the dead queue', async () => {
  const dead = await deadBlocks()
  const blocks = Array.from({ length: 10 }, (_, block) => block)
  await publish('replaced-often', ...blocks.map((block) => ({ maxAttempts: 100, items: [item(block)] })))
  for (let replaced = 0; replaced < 25; replaced += 1) {
    const started = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    const task = defineTask({
      name: 'replaced-often',
      async run({ block, signal }) {
        started.resolve()
        await finish.promise
        signal.throwIfAborted()
        if (replaced < 24) throw new Error(`not yet, block ${block.number}`)
      },
      retry: { backoff: { type: 'constant', pause: 50 } },
    })
    const worker = await startWorker('replaced-often', [task], { config: { concurrency: 1, prefetch: 20 } })
    await started.promise
    if (replaced === 24) finish.resolve()
    else {
      const stopped = worker.stop()
      finish.resolve()
      await stopped
    }
  }
  await waitFor(() => succeeded('replaced-often').length === 10, { describe: 'all to succeed' })
  expect(dead()).toEqual([])
})
