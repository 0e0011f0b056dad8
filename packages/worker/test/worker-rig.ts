import {
  createSilentLogger,
  defineTask,
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
  type Heartbeat,
  type RetryPolicy,
  HEARTBEAT_MESSAGE_TYPE,
  heartbeatCodec,
  type TaskContext,
  type TaskEvent,
  type TaskMessage,
} from '@blockmill/core'
import { createFakeBroker, type FakeBroker } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { afterEach, vi } from 'vitest'
import type { AnyDefinition } from '../src/consume/work-unit.ts'
import { createWorker, type Worker, type WorkerConfig } from '../src/index.ts'
import { outgoing, registry } from './messages.ts'

/** A worker on a broker in memory. */
export interface WorkerRig {
  readonly broker: FakeBroker
  readonly worker: Worker
  readonly metrics: Registry
  readonly publish: (...messages: readonly TaskMessage[]) => Promise<void>
  /** Events that the broker has confirmed. */
  readonly events: () => TaskEvent[]
  readonly heartbeats: () => Heartbeat[]
  /** Another worker on the same broker. */
  readonly join: (definitions: readonly AnyDefinition[], config?: Partial<WorkerConfig>) => Worker
}

export async function createWorkerRig(
  definitions: readonly AnyDefinition[],
  config: Partial<WorkerConfig> = {},
): Promise<WorkerRig> {
  const broker = createFakeBroker()
  await broker.start()
  const metrics = new Registry()
  const make = (tasks: readonly AnyDefinition[], changes: Partial<WorkerConfig>, register: Registry): Worker =>
    createWorker({
      config: { name: 'w1', concurrency: 4, syncWaitMs: 0, ...changes },
      logger: createSilentLogger(),
      metrics: register,
      broker,
      registry: registry(...tasks),
    })
  return {
    broker,
    worker: make(definitions, config, metrics),
    metrics,
    async publish(...messages) {
      for (const one of messages) await broker.publisher.publish(outgoing(broker.topology, one))
    },
    events: () =>
      broker.published
        .filter(({ type }) => type === EVENT_MESSAGE_TYPE)
        .flatMap(({ body }) => eventMessageCodec.decode(body).events),
    heartbeats: () =>
      broker.published
        .filter(({ type }) => type === HEARTBEAT_MESSAGE_TYPE)
        .map(({ body }) => heartbeatCodec.decode(body)),
    join: (tasks, changes = {}) => make(tasks, { name: 'w2', ...changes }, new Registry()),
  }
}

/** The handler of the task `noop`. */
export type Handler = (context: TaskContext<Record<string, never>>) => unknown

/** Makes rigs whose workers have one task, `noop`, and run. They are stopped after each test of the file. */
export function useWorkerRigs() {
  const rigs: WorkerRig[] = []
  afterEach(async () => {
    vi.useRealTimers()
    for (const { worker, broker } of rigs.splice(0)) {
      await worker.stop()
      await broker.stop()
    }
  })
  return async function setUp(
    handler: Handler,
    config: Partial<WorkerConfig> = {},
    options: { readonly timeout?: number; readonly retry?: RetryPolicy } = {},
  ): Promise<WorkerRig> {
    const rig = await createWorkerRig([defineTask({ name: 'noop', run: handler, ...options })], config)
    rigs.push(rig)
    await rig.worker.start()
    return rig
  }
}

/** A handler that waits until the test lets it go on. */
export function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { wait: () => promise, open: () => resolve() }
}
