import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

import {
  createBroker,
  createLogger,
  createMetrics,
  createTaskPublish,
  createTaskRegistry,
  createTopology,
  defineTask,
  type TaskMessage,
} from '@blockmill/core'
import { createWorker } from '@blockmill/worker'
import { connect } from 'amqplib'

import { declareTopology } from './declare-topology.ts'
import { noop } from './noop-task.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { taskMessage } from './task-messages.ts'

const SAMPLES = 500
const WARM_UP = 100
/** Long enough that acks, events and confirms of the sample before are done. */
const PAUSE_MS = 20
const BAR = 2

/** Publishes a message, and resolves with the milliseconds until it was taken up. */
interface Lane {
  measure(message: TaskMessage): Promise<number>
  stop(): Promise<void>
}

/**
 * Time from publishing to the start of the handler while nothing else is going on, against the same message from bare
 * amqplib's `publish` to its consumer. Both go to quorum queues, persistent, from one connection to another in this process,
 * and take turns, so that the machine treats them alike.
 */
export async function benchIdleLatency({ brokerUrl }: { readonly brokerUrl: string }): Promise<Result[]> {
  const lanes = [await startBare(brokerUrl), await startWorker(brokerUrl)] as const
  const samples: [number[], number[]] = [[], []]
  for (let number = 1; number <= WARM_UP + SAMPLES; number += 1) {
    for (const [index, lane] of lanes.entries()) {
      const elapsedMs = await lane.measure(taskMessage('noop', number))
      if (number > WARM_UP) samples[index]?.push(elapsedMs)
      await delay(PAUSE_MS)
    }
  }
  await Promise.all(lanes.map((lane) => lane.stop()))
  const [bare, worker] = [median(samples[0]), median(samples[1])]
  const benchmark = 'latency'
  return [
    { benchmark, what: `idle, bare amqplib, publish to consumer, p50 of ${SAMPLES}`, value: bare, unit: 'ms' },
    { benchmark, what: `idle, publish to start of the handler, p50 of ${SAMPLES}`, value: worker, unit: 'ms' },
    { benchmark, what: 'the second against the first', value: worker / bare, unit: '×', bar: BAR, barIs: 'atMost' },
  ]
}

async function startBare(brokerUrl: string): Promise<Lane> {
  const topology = createTopology({ namespace: `floor-${randomBytes(4).toString('hex')}` })
  await declareTopology(brokerUrl, topology)
  const [publishing, consuming] = await Promise.all([
    connect(brokerUrl, { noDelay: true }),
    connect(brokerUrl, { noDelay: true }),
  ])
  const publisher = await publishing.createConfirmChannel()
  const consumer = await consuming.createChannel()
  let taken = Promise.withResolvers<number>()
  await consumer.consume(topology.workQueue('default', 'normal'), (message) => {
    taken.resolve(performance.now())
    if (message !== null) consumer.ack(message)
  })
  return {
    async measure(message) {
      taken = Promise.withResolvers()
      const start = performance.now()
      const body = Buffer.from(JSON.stringify(message))
      publisher.publish(topology.exchanges.tasks, topology.taskKey('default', 'normal'), body, { persistent: true })
      return (await taken.promise) - start
    },
    async stop() {
      await Promise.all([publishing.close(), consuming.close()])
      await removeTopology(brokerUrl, topology)
    },
  }
}

async function startWorker(brokerUrl: string): Promise<Lane> {
  const topology = createTopology({ namespace: `bench-${randomBytes(4).toString('hex')}` })
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const make = () => createBroker({ url: brokerUrl, topology, logger, connectionName: 'bench' })
  const [publishing, consuming] = [make(), make()]
  await Promise.all([publishing.start(), consuming.start()])
  let started = Promise.withResolvers<number>()
  const definition = defineTask({
    name: noop.name,
    run() {
      started.resolve(performance.now())
      return null
    },
  })
  const registry = createTaskRegistry([{ definition, file: 'idle-latency.ts' }])
  const worker = createWorker({ logger, metrics: createMetrics('worker'), broker: consuming, registry })
  await worker.start()
  const publish = createTaskPublish(publishing)
  return {
    async measure(message) {
      started = Promise.withResolvers()
      const start = performance.now()
      const published = publish(message)
      const elapsedMs = (await started.promise) - start
      await published
      return elapsedMs
    },
    async stop() {
      await worker.stop()
      await Promise.all([publishing.stop(), consuming.stop()])
      await removeTopology(brokerUrl, topology)
    },
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
