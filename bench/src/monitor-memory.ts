import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

import { createBroker, createLogger, createTopology, openDatabase, TASK_MESSAGE_TYPE } from '@blockmill/core'
import { createDatabase, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { startChild } from './child.ts'
import { recordMessages } from './record-messages.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { whenTrue } from './when-true.ts'

/** When memory is looked at, of a million tasks. */
const SHARES = [0.05, 0.25, 0.5, 1] as const
const STEPS = 100
/** The collector lets memory rise and fall, so the highest of so many steps counts. */
const STEPS_THAT_COUNT = 3
const BAR = 1.1
const BYTES_PER_MB = 1_000_000

/** Resident memory of a monitor in a process of its own as it records more and more tasks. */
export async function benchMonitorMemory({ tasks }: { readonly tasks: number }): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [rabbit, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const id = randomBytes(4).toString('hex')
  const databaseUrl = await createDatabase(postgres.url, `blockmill_bench_${id}`)
  const namespace = `bench-${id}`
  const topology = createTopology({ namespace })
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const broker = createBroker({ url: rabbit.url, topology, logger, connectionName: 'bench' })
  const database = openDatabase({ url: databaseUrl, logger })
  try {
    await broker.start()
    const service = { role: 'monitor', brokerUrl: rabbit.url, databaseUrl, namespace, concurrency: 1, prefetch: 1 }
    const monitor = await startChild('service-process.ts', service)
    const memory: number[] = []
    const step = Math.ceil(tasks / STEPS)
    for (let done = step; done <= step * STEPS; done += step) {
      for (const { type, body } of recordMessages(done - step + 1, step)) {
        const isTask = type === TASK_MESSAGE_TYPE
        const exchange = isTask ? topology.exchanges.tasks : topology.exchanges.events
        const routingKey = isTask ? topology.taskKey('default', 'normal') : topology.eventKey('batch')
        void broker.publisher.publish({ exchange, routingKey, type, body })
        await broker.publisher.drained()
      }
      await whenTrue(database, SUCCEEDED, [done])
      memory.push(await residentMb(monitor.pid))
    }
    await monitor.stop()
    const highestAt = (share: number) => Math.max(...memory.slice(share * STEPS - STEPS_THAT_COUNT, share * STEPS))
    const [early, late] = [highestAt(SHARES[0]), highestAt(1)]
    const benchmark = 'memory'
    return [
      ...SHARES.map((share) => ({
        benchmark,
        what: `resident memory of a monitor after ${(step * STEPS * share).toLocaleString('en')} tasks`,
        value: highestAt(share),
        unit: 'MB',
      })),
      { benchmark, what: 'the last against the first', value: late / early, unit: '×', bar: BAR, barIs: 'atMost' },
    ]
  } finally {
    await Promise.all([broker.stop(), database.close()])
    await removeTopology(rabbit.url, topology)
    await dropDatabase(postgres.url, `blockmill_bench_${id}`)
    await Promise.all([rabbit.stop(), postgres.stop()])
  }
}

// From the totals, which cost nothing to read.
const SUCCEEDED = `select coalesce(sum(count), 0) >= $1::bigint as done from blockmill.task_count where status = 'succeeded'`

async function residentMb(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)])
  return (Number(stdout) * 1_024) / BYTES_PER_MB
}
