// Reads the rows of a range job in a process of its own, in the order of blocks, and says when it has read all of them.
import { createLogger, openDatabase, readResults } from '@blockmill/core'

import { asChild } from './child.ts'

/** What is read. */
export interface ReaderSettings {
  readonly databaseUrl: string
  readonly job: string
  /** How many rows there are, one for each block from 0. */
  readonly rows: number
}

const { settings, stopped } = asChild()
const { databaseUrl, job, rows } = settings as ReaderSettings
const database = openDatabase({ url: databaseUrl, logger: createLogger({ service: 'reader', level: 'warn' }) })
process.send?.('ready')
let next = 0
for await (const { blockNumber } of readResults(database, job)) {
  if (blockNumber !== next)
    throw new Error(`The row of block ${next} is missing: block ${JSON.stringify(blockNumber)} came.`)
  next += 1
}
if (next !== rows) throw new Error(`${next} rows were read in place of ${rows}.`)
process.send?.('read')
await stopped
await database.close()
