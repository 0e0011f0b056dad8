import { type Broker, createMetrics, createSilentLogger, type Database, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'

import { type AppOptions, createApp } from '../src/http/app.ts'
import { messageRecords } from '../src/recorder/message-records.ts'
import { foldBatch } from '../src/recorder/records.ts'
import { storeRecords } from '../src/recorder/store-records.ts'
import { createFakeBroker, type FakeBroker } from './fake-broker.ts'
import type { Message } from './message-arbitraries.ts'
import { migrateTemplate } from './migrate-template.ts'

/** The monitor's app, without a listener, on a database of the test file's own. Both exist from `beforeAll` on. */
export interface TestApi {
  readonly app: FastifyInstance
  readonly database: Database
  /** Stores what the messages say, as the recorder does. */
  readonly record: (...messages: readonly Message[]) => Promise<void>
  /** Asks for a path below `/api/v1`. */
  readonly call: (method: Method, path: string, body?: object) => Promise<Answer>
  /** Waits until an operation has ended, and returns it. */
  readonly ended: (operation: { readonly id: string }) => Promise<Answer['body']>
}

type Method = 'GET' | 'POST' | 'DELETE'

interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are checked by what is expected of them
  readonly body: any
}

/** Call it at the top of a test file, behind the hooks that make what `options` needs. */
export function testApi(options: () => Partial<AppOptions> | Promise<Partial<AppOptions>> = () => ({})): TestApi {
  const logger = createSilentLogger()
  const { url } = testDatabase({ migrate: migrateTemplate })
  let database: Database
  let app: FastifyInstance
  beforeAll(async () => {
    database = openDatabase({ url, logger })
    app = await createApp({
      database,
      logger,
      metrics: createMetrics('monitor'),
      statistics: { latest: () => undefined },
      now: () => new Date(),
      notReadyBecause: () => [],
      ...(await options()),
    })
  })
  afterAll(async () => {
    await app.close()
    await database.close()
  })
  const call: TestApi['call'] = async (method, path, body) => {
    const request = { method, url: `/api/v1${path}`, headers: { host: '127.0.0.1:8080' } }
    const answer = await app.inject(body ? { ...request, payload: body } : request)
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() }
  }
  return {
    get app() {
      return app
    },
    get database() {
      return database
    },
    async record(...messages) {
      await storeRecords(database, foldBatch(messages.map(({ type, body }) => messageRecords(type, body))))
    },
    call,
    async ended({ id }) {
      const operation = async () => (await call('GET', `/operations/${id}`)).body
      await expect.poll(async () => (await operation()).state).not.toBe('running')
      return operation()
    },
  }
}

/** A broker for an app that outlives the tests. Each test begins with one that is ready and has taken nothing. */
export interface TestApiBroker {
  readonly ports: Broker
  readonly published: FakeBroker['published']
  readonly declared: readonly unknown[]
  isReady: boolean
  /** In place of the confirm of what is published, when set. */
  publishing: Promise<void> | undefined
}

/** Call it at the top of a test file. Queues that are named `nowhere` do not exist. */
export function testApiBroker(): TestApiBroker {
  let fake = createFakeBroker()
  let declared: unknown[] = []
  const ports: Pick<Broker, 'topology' | 'publisher' | 'declare' | 'isReady' | 'depth'> = {
    topology: fake.topology,
    isReady: () => broker.isReady,
    publisher: {
      pending: 0,
      drained: () => Promise.resolve(),
      publish: async (message) => broker.publishing ?? fake.publisher.publish(message),
    },
    declare(declarations) {
      declared.push(declarations)
      return Promise.resolve()
    },
    depth: async (queue) => (queue.includes('.nowhere.') ? undefined : { messages: 0, consumers: 1 }),
  }
  const broker: TestApiBroker = {
    // What the app asks of a broker.
    ports: ports as Broker,
    get published() {
      return fake.published
    },
    get declared() {
      return declared
    },
    isReady: true,
    publishing: undefined,
  }
  beforeEach(() => {
    fake = createFakeBroker()
    declared = []
    broker.isReady = true
    broker.publishing = undefined
  })
  return broker
}
