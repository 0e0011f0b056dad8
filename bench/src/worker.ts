import { startBroker, startPostgres } from '@blockmill/testkit'

import { benchIdleLatency } from './idle-latency.ts'
import type { Result } from './report.ts'
import { benchRetryDrain } from './retry-drain.ts'
import { benchWorkerMemory } from './worker-memory.ts'

/** What a worker must reach: latency when idle, retries under load, memory over time. */
export async function benchWorker(): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  try {
    return [
      ...(await benchIdleLatency({ brokerUrl: broker.url })),
      ...(await benchRetryDrain({ brokerUrl: broker.url, serverUrl: postgres.url })),
      ...(await benchWorkerMemory({ brokerUrl: broker.url })),
    ]
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}
