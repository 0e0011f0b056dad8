import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

import {
  createBroker,
  createLogger,
  createTaskPublish,
  createTopology,
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
} from '@blockmill/core'

import { startChild } from './child.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { taskMessage } from './task-messages.ts'

const EARLY = 50_000
const LATE = 200_000
const STEP = 10_000
/** The collector lets memory rise and fall, so the highest of so many steps counts. */
const STEPS_THAT_COUNT = 3
const BAR = 1.1
/** The default of workers, and so is the prefetch. */
const CONCURRENCY = 50
const BYTES_PER_MB = 1_000_000

/** Resident memory of a worker after many no-op tasks against the same worker after few. */
export async function benchWorkerMemory({ brokerUrl }: { readonly brokerUrl: string }): Promise<Result[]> {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const topology = createTopology({ namespace })
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'bench' })
  await broker.start()
  let succeeded = 0
  let awaited = 0
  let reached = Promise.withResolvers<void>()
  await broker.consume({
    queue: topology.monitorQueue,
    prefetch: 2_000,
    onDelivery(delivery) {
      if (delivery.type === EVENT_MESSAGE_TYPE) succeeded += eventMessageCodec.decode(delivery.body).events.length
      delivery.ack()
      if (succeeded >= awaited) reached.resolve()
    },
  })
  const worker = await startChild('service-process.ts', {
    role: 'worker',
    brokerUrl,
    namespace,
    concurrency: CONCURRENCY,
    prefetch: 2 * CONCURRENCY,
    logLevel: 'warn',
  })
  const publish = createTaskPublish(broker)
  const memory: number[] = []
  for (let done = 0; done < LATE; done += STEP) {
    awaited = done + STEP
    reached = Promise.withResolvers()
    const numbers = Array.from({ length: STEP }, (_, index) => done + index + 1)
    await Promise.all(numbers.map((number) => publish(taskMessage('noop', number))))
    await reached.promise
    memory.push(await residentMb(worker.pid))
  }
  await worker.stop()
  await broker.stop()
  await removeTopology(brokerUrl, topology)

  const highestBefore = (tasks: number) => Math.max(...memory.slice(tasks / STEP - STEPS_THAT_COUNT, tasks / STEP))
  const [early, late] = [highestBefore(EARLY), highestBefore(LATE)]
  const benchmark = 'memory'
  const what = (tasks: number) => `resident memory of a worker after ${tasks.toLocaleString('en')} no-op tasks`
  return [
    { benchmark, what: what(EARLY), value: early, unit: 'MB' },
    { benchmark, what: what(LATE), value: late, unit: 'MB' },
    { benchmark, what: 'the second against the first', value: late / early, unit: '×', bar: BAR, barIs: 'atMost' },
  ]
}

async function residentMb(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)])
  return (Number(stdout) * 1_024) / BYTES_PER_MB
}
