// Exports the rows of a range job in a process of its own, as `blockmill jobs export` does, and says when it is done.
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

import { createLogger, type ExportFormat, exportJob, openDatabase } from '@blockmill/core'

import { asChild } from './child.ts'

/** What is exported. */
export interface ExporterSettings {
  readonly databaseUrl: string
  readonly job: string
  readonly format: ExportFormat
}

const { settings, stopped } = asChild()
const { databaseUrl, job, format } = settings as ExporterSettings
const logger = createLogger({ service: 'exporter', level: 'warn' })
const database = openDatabase({ url: databaseUrl, logger, poolMax: 2 })
process.send?.('ready')
const { chunks } = await exportJob(database, job, { format })
await pipeline(chunks, createWriteStream('/dev/null'))
process.send?.('exported')
await stopped
await database.close()
