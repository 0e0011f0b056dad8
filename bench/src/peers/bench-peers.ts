import { randomBytes } from 'node:crypto'

import { createDatabase, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { CHUNK, measureBackfill } from '../backfill.ts'
import type { Result } from '../report.ts'
import { measureTracked } from '../tracked.ts'
import { measureBullMq } from './bullmq.ts'
import { measureCelery } from './celery.ts'
import { measureGraphileWorker } from './graphile-worker.ts'
import { combinedPerSecond, type MissingPeer, type PeerRates } from './peer.ts'

const BENCHMARK = 'peers'
const UNIT = 'tasks/s'
const OURS = 'quorum queues, persistent and confirmed, every task recorded in PostgreSQL'
/** How many times the combined rate of each must be reached. */
const BARS = { celery: 20, bullMq: 4, graphileWorker: 1.2 } as const

export interface PeersOptions {
  /** Tasks that go through Blockmill one in a message. */
  readonly tasks: number
  /** Blocks of its back-fill in chunks. */
  readonly blocks: number
  /** A Python with celery. */
  readonly python: string
  /** The program of a Redis. */
  readonly redisServer: string
  /** A folder with `bullmq` and `graphile-worker` in its `node_modules`. */
  readonly folder: string
}

/**
 * Blockmill next to other systems, on the same machine in the same run: one task in a message next to Celery on the same broker and
 * database, a back-fill in chunks next to BullMQ and graphile-worker. Of each that is not installed, the results say what is
 * missing; nothing is installed here.
 */
export async function benchPeers({ tasks, blocks, python, redisServer, folder }: PeersOptions): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const brokerUrl = broker.url
  const withDatabase = async <Measured>(measure: (url: string) => Promise<Measured>): Promise<Measured> => {
    const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
    const url = await createDatabase(postgres.url, name)
    try {
      return await measure(url)
    } finally {
      await dropDatabase(postgres.url, name)
    }
  }
  try {
    // What is compared stands side by side, so that other work on the machine disturbs both alike.
    const measureOneCelery = (confirmed: boolean) =>
      withDatabase((databaseUrl) => measureCelery({ python, brokerUrl, databaseUrl, confirmed }))
    const celery = await measureOneCelery(true)
    const lossyCelery = await measureOneCelery(false)
    const { trackedPerSecond } = await withDatabase((databaseUrl) => measureTracked({ brokerUrl, databaseUrl, tasks }))
    const bullMq = await measureBullMq({ folder, redisServer })
    const { recordedMs } = await withDatabase((databaseUrl) => measureBackfill({ brokerUrl, databaseUrl, blocks }))
    const graphileWorker = await withDatabase((databaseUrl) => measureGraphileWorker({ folder, databaseUrl }))
    const chunkedPerSecond = (blocks * 1_000) / recordedMs
    const single = 'one task per message'
    const chunked = `chunk ${CHUNK}: ${CHUNK} tasks per message`
    const peers = [celery, ...('missing' in celery ? [] : [lossyCelery]), bullMq, graphileWorker]
    for (const peer of peers) if ('missing' in peer) log(`NOT MEASURED: ${peer.name}. ${peer.missing}.`)
    return [
      ours(`${tasks} tasks, ${single}, end to end; ${OURS}`, trackedPerSecond),
      ours(`${blocks} blocks, ${chunked}, end to end; ${OURS}`, chunkedPerSecond),
      ...peers.flatMap(peerResults),
      ...ratio({ what: single, perSecond: trackedPerSecond, peer: celery, bar: BARS.celery }),
      ...ratio({ what: single, perSecond: trackedPerSecond, peer: lossyCelery, bar: BARS.celery }),
      ...ratio({ what: chunked, perSecond: chunkedPerSecond, peer: bullMq, bar: BARS.bullMq }),
      ...ratio({ what: chunked, perSecond: chunkedPerSecond, peer: graphileWorker, bar: BARS.graphileWorker }),
    ]
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

function ours(what: string, value: number): Result {
  return { benchmark: BENCHMARK, what: `Blockmill: ${what}`, value, unit: UNIT }
}

function peerResults(peer: PeerRates | MissingPeer): Result[] {
  if ('missing' in peer) {
    return [
      { benchmark: BENCHMARK, what: `${peer.name}: NOT MEASURED, ${peer.missing}`, value: Number.NaN, unit: UNIT },
    ]
  }
  const { name, version, settings, jobs, addPerSecond, runPerSecond } = peer
  const result = (what: string, value: number): Result => ({
    benchmark: BENCHMARK,
    what: `${name} ${version}: ${what}`,
    value,
    unit: UNIT,
  })
  return [
    result(`add ${jobs}; ${settings}`, addPerSecond),
    result(`run ${jobs}`, runPerSecond),
    result('combined, 1 / (1 / add + 1 / run)', combinedPerSecond(peer)),
  ]
}

/** Nothing where there is nothing to compare with. */
function ratio({
  what,
  perSecond,
  peer,
  bar,
}: {
  readonly what: string
  readonly perSecond: number
  readonly peer: PeerRates | MissingPeer
  readonly bar: number
}): Result[] {
  if ('missing' in peer) return []
  const against = `Blockmill with ${what}, against ${peer.name} combined with one job each`
  return [{ benchmark: BENCHMARK, what: against, value: perSecond / combinedPerSecond(peer), unit: '×', bar }]
}
