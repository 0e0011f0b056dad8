import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import { benchBackfill } from './src/backfill.ts'
import { benchCoverage } from './src/coverage.ts'
import { benchDecode } from './src/decode.ts'
import { benchPlanner } from './src/planner.ts'
import { isReached, printResults, type Result } from './src/report.ts'
import { benchTracked } from './src/tracked.ts'
import { benchWorker } from './src/worker.ts'

const HELP = `npm run bench -- [planner] [decode] [tracked] [worker] [backfill] [coverage] [--tasks 20000]
                     [--blocks 1000000] [--json]

  planner   evaluations of conditions in a second, on one core
  decode    CPU time of a Substrate block and its events, decoded with a runtime from the cache
  tracked   tasks from the chain's head to their record as succeeded, on a real broker and database,
            next to the same messages with bare amqplib in the same run
  worker    latency of an idle worker next to bare amqplib, tasks that fail once next to tasks that do not,
            memory of a worker over 200,000 tasks
  backfill  a back-fill in chunks of 100 from its plan to the record of its last task, with a live block each
            second meanwhile: how long both take, and the scheduler's memory
  coverage  times of the queries for coverage and gaps with 10,000,000 tasks on record; takes minutes and some
            gigabytes, so it runs only when it is named

  --tasks   how many tasks 'tracked' schedules; default 20000
  --blocks  how many blocks 'backfill' fills in; default 1000000
  --json    one line of JSON in place of the table`

const BENCHMARKS = {
  planner: () => benchPlanner(),
  decode: () => benchDecode(),
  tracked: (tasks: number) => benchTracked({ tasks }),
  worker: () => benchWorker(),
  backfill: (_tasks: number, blocks: number) => benchBackfill({ blocks }),
  coverage: () => benchCoverage(),
} as const
type Name = keyof typeof BENCHMARKS

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: 'string', default: '20000' },
    blocks: { type: 'string', default: '1000000' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
const tasks = Number(values.tasks)
const blocks = Number(values.blocks)
const unknown = positionals.find((name) => !Object.hasOwn(BENCHMARKS, name))

if (values.help === true) {
  process.stdout.write(`${HELP}\n`)
} else if (unknown !== undefined || !isCount(tasks) || !isCount(blocks)) {
  const wrong = isCount(tasks) ? `--blocks is ${values.blocks}` : `--tasks is ${values.tasks}`
  const problem = unknown === undefined ? wrong : `There is no benchmark '${unknown}'`
  process.stderr.write(`${problem}.\n\n${HELP}\n`)
  process.exitCode = 2
} else {
  const names = (
    positionals.length === 0 ? Object.keys(BENCHMARKS).filter((name) => name !== 'coverage') : positionals
  ) as Name[]
  const results: Result[] = []
  for (const name of names) results.push(...(await BENCHMARKS[name](tasks, blocks)))
  const machine = { node: process.versions.node, cores: availableParallelism(), at: new Date().toISOString() }
  process.stdout.write(values.json === true ? `${JSON.stringify({ machine, results })}\n` : printResults(results))
  process.exitCode = results.every(isReached) ? 0 : 1
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}
