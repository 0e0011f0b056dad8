import {
  type Database,
  defineSettings,
  EXPORT_FORMATS,
  type ExportFormat,
  exportJob,
  exportRows,
  type JsonObject,
  loadConfig,
  monitorSettings,
  readResultBatches,
  type ResultBatch,
} from '@blockmill/core'
import { type Command, Option } from 'commander'

import { EXIT_STATUS } from '../exit-status.ts'
import { type Compression, COMPRESSIONS, sendChunks } from '../export/send-chunks.ts'
import { assertWritable, writeWholeFile } from '../export/write-file.ts'
import { positiveCount, textList } from '../option-values.ts'
import { createProgressBar } from '../progress-bar.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, configFile, resultsDir } = monitorSettings
const settings = defineSettings({ databaseUrl, configFile, resultsDir })

const STANDARD_OUTPUT = '-'
const ALLOW_PARTIAL = ['--allow-partial', 'also of a job that is not completed: what there is'] as const

interface ResultsFlags {
  readonly limit?: number
  readonly allowPartial?: boolean
}

interface ExportFlags {
  readonly format: ExportFormat
  readonly output: string
  readonly force?: boolean
  readonly columns?: readonly string[]
  readonly survey?: number
  readonly escapeFormulas?: boolean
  readonly compress?: Compression
  readonly allowPartial?: boolean
}

/** Adds `blockmill jobs results` and `export`. */
export function addJobResultsCommands(jobs: Command, setStatus: SetStatus): void {
  addResults(jobs, setStatus)
  addExport(jobs, setStatus)
}

function addResults(jobs: Command, setStatus: SetStatus): void {
  const command = jobs
    .command('results')
    .description('print the rows of a range job in the order of its blocks, each as JSON in a line')
    .argument('<id>', 'which')
    .option('--limit <rows>', 'only the first ones', positiveCount)
    .option(...ALLOW_PARTIAL)
  addSettingOptions(command, settings).action(async (id: string, { limit, allowPartial = false }: ResultsFlags) => {
    await withResults(command, setStatus, async ({ database, resultsDir: folder, signal }) => {
      const read = () => firstRows(readResultBatches(database, id, { resultsDir: folder, allowPartial }), limit)
      await sendChunks(await exportRows(read, { format: 'ndjson' }), process.stdout, { signal, end: false })
    })
  })
}

function addExport(jobs: Command, setStatus: SetStatus): void {
  const command = jobs
    .command('export')
    .description('write the rows of a range job in the order of its blocks')
    .argument('<id>', 'which')
    .addOption(new Option('--format <format>', 'of the file').choices(EXPORT_FORMATS).default('ndjson'))
    .option('--output <file>', `which file; ${STANDARD_OUTPUT} is standard output`, STANDARD_OUTPUT)
    .option('--force', 'replace the file when it exists')
    .option('--columns <names>', 'of a table: the columns that are wanted, with commas; default all', textList)
    .option('--survey <rows>', 'of a table: find out its columns from the first rows alone; default all', positiveCount)
    .option('--escape-formulas', "in CSV: put ' before texts that a spreadsheet would run")
    .addOption(new Option('--compress <method>', 'for NDJSON and CSV').choices(COMPRESSIONS))
    .option(...ALLOW_PARTIAL)
  addSettingOptions(command, settings).action(async (id: string, flags: ExportFlags) => {
    const { output, force, survey, compress, ...options } = flags
    const isPiped = output === STANDARD_OUTPUT
    if (options.format === 'parquet') {
      if (compress !== undefined) command.error('error: Parquet is compressed already: leave --compress out')
      if (isPiped && process.stdout.isTTY)
        command.error('error: Parquet is not for a terminal: name a file with --output')
    }
    await withResults(command, setStatus, async ({ database, resultsDir: folder, signal }) => {
      if (!isPiped) await assertWritable(output, { force })
      const progress = createProgressBar({ output: process.stderr, unit: 'rows read' })
      try {
        const { job, chunks } = await exportJob(database, id, {
          ...options,
          surveyRows: survey,
          resultsDir: folder,
          onProgress: (so) => {
            signal.throwIfAborted()
            progress.show(so)
          },
        })
        if (isPiped) await sendChunks(chunks, process.stdout, { compress, signal, end: false })
        else await writeWholeFile(output, chunks, { force, compress, signal })
        progress.end()
        const part = job.state === 'completed' ? '' : `, which is not all: the job is ${job.state}`
        process.stderr.write(`${job.rows} rows of ${job.done} blocks${part}.\n`)
      } finally {
        progress.end()
      }
    })
  })
}

interface ResultsPorts {
  readonly database: Database
  readonly resultsDir: string
  readonly signal: AbortSignal
}

async function withResults(
  command: Command,
  setStatus: SetStatus,
  work: (ports: ResultsPorts) => Promise<void>,
): Promise<void> {
  const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
  await untilInterrupted(async (signal) => {
    try {
      await withDatabase(config.databaseUrl, 'jobs', (database) =>
        work({ database, resultsDir: config.resultsDir, signal }),
      )
    } catch (error) {
      if (!signal.aborted) throw error
      process.stderr.write('It was interrupted: no file was written.\n')
      setStatus(EXIT_STATUS.interrupted)
    }
  })
}

async function* firstRows(
  batches: AsyncIterable<ResultBatch>,
  limit = Infinity,
): AsyncGenerator<readonly JsonObject[], void, undefined> {
  let left = limit
  for await (const { rows } of batches) {
    yield rows.slice(0, left)
    left -= rows.length
    if (left <= 0) return
  }
}
