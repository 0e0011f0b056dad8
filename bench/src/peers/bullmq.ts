import { loadPeerPackage, missingPackage } from './peer-package.ts'
import { type MissingPeer, type PeerRates, ratePerSecond } from './peer.ts'
import { redisVersion, startRedis } from './redis-server.ts'

const JOBS = 20_000
const ADDED_AT_ONCE = 1_000
const CONCURRENCY = 100
const NAME = 'BullMQ'

/** What is used of the package. */
interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue
  readonly Worker: new (name: string, handler: () => Promise<null>, options: object) => Worker
}
interface Queue {
  addBulk(jobs: readonly { readonly name: string; readonly data: object }[]): Promise<unknown>
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface Worker {
  on(event: 'completed', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

export interface BullMqOptions {
  /** Where `bullmq` and `ioredis` are installed. */
  readonly folder: string
  /** The program of a Redis. */
  readonly redisServer: string
}

/** BullMQ on a Redis of its own that appends to a file; jobs are added in bulk, and kept when they are completed. */
export async function measureBullMq({ folder, redisServer }: BullMqOptions): Promise<PeerRates | MissingPeer> {
  const found = loadPeerPackage<BullMq>(folder, 'bullmq')
  // It leaves the client of Redis to whoever installs it.
  const client = loadPeerPackage(folder, 'ioredis')
  if (found === undefined || client === undefined) {
    return { name: NAME, missing: missingPackage(folder, 'bullmq ioredis') }
  }
  const redis = await redisVersion(redisServer)
  if (redis === undefined) {
    return {
      name: NAME,
      missing: `there is no program ${redisServer}; apt-get install redis-server, or --redis-server <file>`,
    }
  }
  const server = await startRedis(redisServer)
  try {
    const rates = await measure(found.exports, { path: server.path, maxRetriesPerRequest: null })
    const settings = `Redis ${redis} with an append-only file, fsync every second, addBulk of ${ADDED_AT_ONCE}, concurrency ${CONCURRENCY}`
    return { name: NAME, version: found.version, settings, jobs: JOBS, ...rates }
  } finally {
    await server.stop()
  }
}

async function measure({ Queue, Worker }: BullMq, connection: object) {
  const queue = new Queue('noop', { connection })
  await queue.waitUntilReady()
  const jobs = Array.from({ length: JOBS }, (_, number) => ({ name: 'noop', data: { number } }))
  const start = performance.now()
  for (let n = 0; n < JOBS; n += ADDED_AT_ONCE) await queue.addBulk(jobs.slice(n, n + ADDED_AT_ONCE))
  const addPerSecond = ratePerSecond(JOBS, start, performance.now())

  const done = Promise.withResolvers<void>()
  let startedAt: number | undefined
  let completed = 0
  const handler = async (): Promise<null> => {
    startedAt ??= performance.now()
    return null
  }
  const worker = new Worker('noop', handler, { connection, concurrency: CONCURRENCY })
  worker.on('error', done.reject)
  worker.on('completed', () => {
    completed += 1
    if (completed === JOBS) done.resolve()
  })
  try {
    await done.promise
    return { addPerSecond, runPerSecond: ratePerSecond(JOBS, startedAt ?? Number.NaN, performance.now()) }
  } finally {
    await worker.close()
    await queue.close()
  }
}
