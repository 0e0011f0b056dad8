import {
  type Broker,
  createBroker,
  createSilentLogger,
  createTopology,
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
  type Heartbeat,
  HEARTBEAT_MESSAGE_TYPE,
  heartbeatCodec,
  type TaskEvent,
  type TaskMessage,
} from '@blockmill/core'
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { AnyDefinition } from '../src/consume/work-unit.ts'
import { createWorker, type IsolationSources, type Worker, type WorkerConfig } from '../src/index.ts'
import { message, outgoing, registry } from './messages.ts'

/** A real broker with somebody who listens to everything that the monitor would get. */
export interface LiveRig {
  readonly broker: () => Broker
  /** Events of a task so far, in the order in which the broker got them. */
  readonly events: (task: string) => TaskEvent[]
  readonly heartbeats: () => Heartbeat[]
  /** Publishes messages for a queue and a task that both have this name. */
  readonly publish: (name: string, ...changes: readonly Partial<TaskMessage>[]) => Promise<void>
  /** Starts a worker for the queue, by a connection of its own. It is stopped after the test. */
  readonly startWorker: (
    queue: string,
    definitions: readonly AnyDefinition[],
    options?: {
      readonly config?: Partial<WorkerConfig>
      readonly url?: string
      readonly isolation?: IsolationSources
      /** Gets the worker's client before the worker does. */
      readonly onBroker?: (broker: Broker) => void
    },
  ) => Promise<Worker>
}

/** Call it at the top of a test file. */
export function liveRig({ url, namespace }: { readonly url: string; readonly namespace: string }): LiveRig {
  const topology = createTopology({ namespace })
  const connect = (target: string, name: string): Broker =>
    createBroker({
      url: target,
      topology,
      logger: createSilentLogger(),
      connectionName: name,
      reconnect: { minMs: 10, maxMs: 100 },
      stopTimeoutMs: 2_000,
    })
  const driver = connect(url, 'driver')
  const events: TaskEvent[] = []
  const heartbeats: Heartbeat[] = []
  const stops: (() => Promise<void>)[] = []

  beforeAll(async () => {
    await driver.start()
    await driver.consume({
      queue: topology.monitorQueue,
      prefetch: 1_000,
      onDelivery(delivery) {
        const { type, body } = delivery
        if (type === EVENT_MESSAGE_TYPE) events.push(...eventMessageCodec.decode(body).events)
        if (type === HEARTBEAT_MESSAGE_TYPE) heartbeats.push(heartbeatCodec.decode(body))
        delivery.ack()
      },
    })
  })
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()))
  })
  afterAll(() => driver.stop())

  return {
    broker: () => driver,
    events: (task) => events.filter((event) => event.task === task),
    heartbeats: () => heartbeats,
    async publish(name, ...changes) {
      await driver.declare(topology.work(name))
      await Promise.all(
        changes.map((change) =>
          driver.publisher.publish(
            outgoing(topology, message({ task: name, queue: name, scheduledAt: new Date().toISOString(), ...change })),
          ),
        ),
      )
    },
    async startWorker(queue, definitions, { config = {}, url: through = url, isolation, onBroker } = {}) {
      const broker = connect(through, 'worker')
      onBroker?.(broker)
      await broker.start()
      const worker = createWorker({
        config: {
          name: `worker-of-${queue}`,
          queues: [queue],
          smallestDelayMs: 50,
          graceMs: 10_000,
          syncWaitMs: 0,
          ...config,
        },
        logger: createSilentLogger(),
        metrics: new Registry(),
        broker,
        registry: registry(...definitions),
        isolation,
      })
      stops.push(async () => {
        await worker.stop()
        await broker.stop()
      })
      await worker.start()
      return worker
    },
  }
}
