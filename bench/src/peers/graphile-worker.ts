import { createSilentLogger, openDatabase } from '@blockmill/core'

import { whenTrue } from '../when-true.ts'
import { loadPeerPackage, missingPackage } from './peer-package.ts'
import { type MissingPeer, type PeerRates, ratePerSecond } from './peer.ts'

const JOBS = 50_000
const ADDED_AT_ONCE = 1_000
const CONCURRENCY = 24
const LOCAL_QUEUE = 500
const NAME = 'graphile-worker'

/** What is used of the package. */
interface GraphileWorker {
  readonly Logger: new (createLog: () => () => void) => object
  readonly makeWorkerUtils: (options: {
    readonly connectionString: string
    readonly logger: object
  }) => Promise<WorkerUtils>
  readonly run: (options: object) => Promise<{ stop(): Promise<void> }>
}
interface WorkerUtils {
  migrate(): Promise<void>
  addJobs(jobs: readonly { readonly identifier: string; readonly payload: object }[]): Promise<unknown>
  release(): Promise<void>
}

export interface GraphileWorkerOptions {
  /** Where `graphile-worker` is installed. */
  readonly folder: string
  /** An empty database of a durable PostgreSQL. */
  readonly databaseUrl: string
}

/** graphile-worker as fast as it is: jobs added in bulk, fetched in bulk into memory, and deleted in bulk when they have ended. */
export async function measureGraphileWorker(options: GraphileWorkerOptions): Promise<PeerRates | MissingPeer> {
  const found = loadPeerPackage<GraphileWorker>(options.folder, NAME)
  if (found === undefined) return { name: NAME, missing: missingPackage(options.folder, NAME) }
  const settings = `addJobs of ${ADDED_AT_ONCE}, local queue of ${LOCAL_QUEUE}, concurrency ${CONCURRENCY}, batched completion, no history`
  const rates = await measure(found.exports, options.databaseUrl)
  return { name: NAME, version: found.version, settings, jobs: JOBS, ...rates }
}

async function measure({ Logger, makeWorkerUtils, run }: GraphileWorker, connectionString: string) {
  const logger = new Logger(() => () => {})
  const utils = await makeWorkerUtils({ connectionString, logger })
  await utils.migrate()
  const jobs = Array.from({ length: JOBS }, (_, number) => ({ identifier: 'noop', payload: { number } }))
  const start = performance.now()
  for (let n = 0; n < JOBS; n += ADDED_AT_ONCE) await utils.addJobs(jobs.slice(n, n + ADDED_AT_ONCE))
  const addPerSecond = ratePerSecond(JOBS, start, performance.now())
  await utils.release()

  const database = openDatabase({ url: connectionString, logger: createSilentLogger() })
  let startedAt: number | undefined
  const noop = async (): Promise<void> => {
    startedAt ??= performance.now()
  }
  const runner = await run({
    preset: {
      worker: {
        connectionString,
        logger,
        concurrentJobs: CONCURRENCY,
        localQueue: { size: LOCAL_QUEUE },
        completeJobBatchDelay: 0,
      },
    },
    taskList: { noop },
    parsedCronItems: [],
    noHandleSignals: true,
  })
  try {
    const endedAt = await whenTrue(database, ALL_GONE, [])
    return { addPerSecond, runPerSecond: ratePerSecond(JOBS, startedAt ?? Number.NaN, endedAt) }
  } finally {
    await runner.stop()
    await database.close()
  }
}

const ALL_GONE = 'select not exists (select from graphile_worker._private_jobs) as done'
