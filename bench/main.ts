import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'

import { benchBackfill } from './src/backfill.ts'
import { benchContractTransactions } from './src/contract-transactions.ts'
import { benchCoverage } from './src/coverage.ts'
import { benchDecode } from './src/decode.ts'
import { benchHistory, fillDatabase } from './src/history.ts'
import { benchMonitorMemory } from './src/monitor-memory.ts'
import { benchPeers } from './src/peers/bench-peers.ts'
import { benchPlanner } from './src/planner.ts'
import { benchPrune } from './src/prune.ts'
import { benchRecorder } from './src/recorder.ts'
import { isReached, printResults, type Result } from './src/report.ts'
import { benchResults } from './src/results.ts'
import { benchTracked } from './src/tracked.ts'
import { benchWorker } from './src/worker.ts'

const HELP = `npm run bench -- [planner] [decode] [tracked] [worker] [backfill] [contract-transactions] [results] [coverage]
                     [recorder] [history] [monitor-memory] [prune] [peers] [fill] [--tasks 50000] [--blocks 1000000] [--rows 5000000]
                     [--python python3] [--redis-server redis-server] [--peers .] [--json]

  planner   evaluations of conditions in a second, on one core
  decode    CPU time of a Substrate block and its events, decoded with a runtime from the cache
  tracked   tasks from the chain's head to their record as succeeded, on a real broker and database,
            next to the same messages with bare amqplib in the same run
  worker    latency of an idle worker next to bare amqplib, tasks that fail once next to tasks that do not,
            memory of a worker over 200,000 tasks
  backfill  a back-fill in chunks of 100 from its plan to the record of its last task, with a live block each
            second meanwhile: how long both take, and the scheduler's memory
  contract-transactions
            all transactions of a contract from an API that takes 200 ms for each answer: a range job of eight batches
            at a time next to one request after the other
  results   a range job of 1,000,000 rows, and reading them: how long both take, and the memory of each process
  coverage  times of the queries for coverage and gaps with 10,000,000 tasks on record; takes minutes and some
            gigabytes, so it runs only when it is named
  recorder  rows that the monitor records in a second, from the broker to the table, next to the bare statement

  These take minutes and gigabytes, so each runs only when it is named:
  history   with 5,000,000 tasks on record: how long each question to the REST API takes, and the tracked rate next to
            that with empty tables
  monitor-memory
            memory of a monitor as it records 1,000,000 tasks
  prune     how long the REST API takes to answer while tasks are deleted; give it --rows 1000000
  peers     'tracked' next to Celery on the same broker and database, and 'backfill' next to BullMQ and graphile-worker:
            those that are installed; of the others it says how to install them, and installs nothing
  fill      no benchmark: fills the database of DATABASE_URL with so many tasks, and leaves it

  --tasks   how many tasks 'tracked', 'recorder', 'history' and 'peers' measure with; default 50000
  --rows    how many tasks 'history', 'prune' and 'fill' put on record; default 5000000
  --blocks  how many blocks 'backfill' and 'peers' fill in; default 1000000
  --python, --redis-server, --peers
            for 'peers': a Python with celery, the program of a Redis, a folder with bullmq and graphile-worker
  --json    one line of JSON in place of the table`

/** How much each is done with. */
interface Sizes {
  readonly tasks: number
  readonly blocks: number
  readonly rows: number
}

/** Where other systems are. */
type Peers = Omit<Parameters<typeof benchPeers>[0], keyof Sizes>

const BENCHMARKS = {
  planner: () => benchPlanner(),
  decode: () => benchDecode(),
  tracked: ({ tasks }) => benchTracked({ tasks }),
  worker: () => benchWorker(),
  backfill: ({ blocks }) => benchBackfill({ blocks }),
  'contract-transactions': () => benchContractTransactions(),
  results: () => benchResults(),
  coverage: () => benchCoverage(),
  recorder: ({ tasks }) => benchRecorder({ tasks }),
  history: ({ rows, tasks }) => benchHistory({ rows, tasks, turns: 100 }),
  'monitor-memory': () => benchMonitorMemory({ tasks: 1_000_000 }),
  prune: ({ rows }) => benchPrune({ rows }),
  peers: ({ tasks, blocks }, peers) => benchPeers({ tasks, blocks, ...peers }),
  fill: ({ rows }) => fill(rows),
} as const satisfies Record<string, (sizes: Sizes, peers: Peers) => Promise<Result[]>>
/** Those that take long, or much disk. */
const ONLY_WHEN_NAMED: readonly string[] = ['coverage', 'history', 'monitor-memory', 'prune', 'peers', 'fill']
type Name = keyof typeof BENCHMARKS

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: 'string', default: '50000' },
    blocks: { type: 'string', default: '1000000' },
    rows: { type: 'string', default: '5000000' },
    python: { type: 'string', default: 'python3' },
    'redis-server': { type: 'string', default: 'redis-server' },
    peers: { type: 'string', default: '.' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
const sizes: Sizes = { tasks: Number(values.tasks), blocks: Number(values.blocks), rows: Number(values.rows) }
const peers: Peers = { python: values.python, redisServer: values['redis-server'], folder: values.peers }
const wrong = Object.entries(sizes).find(([, size]) => !isCount(size))
const unknown = positionals.find((name) => !Object.hasOwn(BENCHMARKS, name))

if (values.help === true) {
  process.stdout.write(`${HELP}\n`)
} else if (unknown !== undefined || wrong !== undefined) {
  const problem =
    unknown === undefined
      ? `--${wrong?.[0]} is ${values[wrong?.[0] as keyof Sizes]}; it must be a whole number from 1 up`
      : `There is no benchmark '${unknown}'`
  process.stderr.write(`${problem}.\n\n${HELP}\n`)
  process.exitCode = 2
} else {
  const names = (
    positionals.length === 0 ? Object.keys(BENCHMARKS).filter((name) => !ONLY_WHEN_NAMED.includes(name)) : positionals
  ) as Name[]
  const results: Result[] = []
  for (const name of names) results.push(...(await BENCHMARKS[name](sizes, peers)))
  const machine = {
    node: process.versions.node,
    cores: availableParallelism(),
    load: loadavg(),
    at: new Date().toISOString(),
  }
  process.stdout.write(values.json === true ? `${JSON.stringify({ machine, results })}\n` : printResults(results))
  process.exitCode = results.every(isReached) ? 0 : 1
}

async function fill(rows: number): Promise<Result[]> {
  const url = process.env['DATABASE_URL']
  if (url === undefined) throw new Error('Set DATABASE_URL to an empty database, which is to be filled.')
  const count = await fillDatabase(url, rows)
  return [{ benchmark: 'fill', what: 'on record', value: count, unit: 'tasks' }]
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}
