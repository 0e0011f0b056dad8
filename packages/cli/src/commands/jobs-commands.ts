import {
  createRangeJobs,
  type Database,
  defineSettings,
  isRangeJobOver,
  loadConfig,
  monitorSettings,
  RANGE_JOB_STATES,
  type RangeJobDetail,
  type RangeJobFilter,
  type RangeJobOrder,
  type RangeJobState,
  removeResultFiles,
  RESULT_SINKS,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, Option } from 'commander'

import { audited } from '../audited.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { jobsText, jobText } from '../jobs/describe-job.ts'
import { startJob, type StartJobOptions } from '../jobs/start-job.ts'
import { anyNumber, jsonObject } from '../option-values.ts'
import { printAnswer } from '../print-answer.ts'
import { createProgressBar } from '../progress-bar.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { tellWaiting, watchJob } from '../watch-job.ts'
import { withDatabase } from '../with-database.ts'
import { addJobResultsCommands } from './job-results-commands.ts'

const { databaseUrl, configFile, taskPackages, chain } = schedulerSettings
const settings = defineSettings({ databaseUrl, configFile })
const startSettings = defineSettings({ ...settings, taskPackages, chain })
const deleteSettings = defineSettings({ ...settings, resultsDir: monitorSettings.resultsDir })

interface Flags {
  readonly json?: boolean
  readonly watch?: boolean
}

const ORDERS: readonly { readonly order: RangeJobOrder; readonly description: string }[] = [
  { order: 'pause', description: 'dispatch no more batches of it until it is resumed; what is queued runs on' },
  { order: 'resume', description: 'go on with one that was paused' },
  { order: 'cancel', description: 'end it for good, and call off what is queued' },
  { order: 'retry-failed', description: 'run its failed batches anew' },
]

/** Adds `blockmill jobs start`, `list`, `status`, `pause`, `resume`, `cancel`, `retry-failed`, `results`, `export` and `delete`. */
export function addJobsCommands(program: Command, setStatus: SetStatus): void {
  const jobs = program.command('jobs').description('run range tasks over many blocks, and get what they found')
  addStart(jobs, setStatus)
  addList(jobs)
  addStatus(jobs, setStatus)
  for (const one of ORDERS) addOrder(jobs, one)
  addJobResultsCommands(jobs, setStatus)
  addDelete(jobs)
}

function addStart(jobs: Command, setStatus: SetStatus): void {
  const command = jobs
    .command('start')
    .description('run a range task over blocks, in batches, and print the id of the job')
    .requiredOption('--task <name>', 'which range task')
    .requiredOption('--from <block>', 'first block', anyNumber)
    .requiredOption('--to <block>', 'last block, included', anyNumber)
    .addOption(new Option('--args <json>', 'its arguments; default none').argParser(jsonObject))
    .option('--batch-size <blocks>', "blocks in one batch; default the task's own", anyNumber)
    .option('--min-batch <blocks>', "a batch that fails is cut down to this; default the task's own", anyNumber)
    .option('--window <batches>', 'most batches that are queued at once, 1 to 10000', anyNumber)
    .option('--queue <name>', "default the task's own")
    .option('--priority <number>', "default the task's own, or the low lane", anyNumber)
    .option('--max-attempts <number>', "attempts of each batch; default the task's own", anyNumber)
    .addOption(new Option('--sink <sink>', 'where rows are kept; default postgres').choices(RESULT_SINKS))
    .option('--watch', 'show its progress until it is over; status 1 unless it is completed')
    .option('--json', 'as JSON')
  addSettingOptions(command, startSettings).action(async (flags: StartJobOptions & Flags) => {
    const { json = false, watch = false, ...options } = flags
    const { config } = await loadConfig(startSettings, { commandLine: settingValues(command, startSettings) })
    await withDatabase(config.databaseUrl, 'jobs', async (database) => {
      const id = await audited(database, command, () => startJob(database, config, options))
      if (!watch) {
        const job = await createRangeJobs(database).detail(id)
        tellWaiting(job.state, job.note)
        return printAnswer(job, json, () => id)
      }
      if (!json) process.stdout.write(`${id}\n`)
      await watchToTheEnd(database, id, json, setStatus)
    })
  })
}

function addList(jobs: Command): void {
  const command = jobs
    .command('list')
    .description('list range jobs, the newest first')
    .option('--task <name>', 'only of this task')
    .addOption(new Option('--state <state>', 'only in this state').choices(RANGE_JOB_STATES))
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(
    async ({ json = false, task, state }: Flags & { task?: string; state?: RangeJobState }) => {
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      await withDatabase(config.databaseUrl, 'jobs', (database) =>
        printList(database, { task, states: state === undefined ? undefined : [state] }, json),
      )
    },
  )
}

function addStatus(jobs: Command, setStatus: SetStatus): void {
  const command = jobs
    .command('status')
    .description(
      'how far a range job is; status 1 when blocks of it are missing for good. Without an id, those that are not over',
    )
    .argument('[id]', 'which')
    .option('--watch', 'show its progress until it is over; status 1 unless it is completed')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(
    async (id: string | undefined, { json = false, watch = false }: Flags) => {
      if (id === undefined && watch) command.error("error: option '--watch' needs the id of a range job")
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      await withDatabase(config.databaseUrl, 'jobs', async (database) => {
        if (id === undefined) return printList(database, { states: ['pending', 'running', 'paused'] }, json)
        if (watch) return watchToTheEnd(database, id, json, setStatus)
        const job = await createRangeJobs(database).detail(id)
        printDetail(job, json)
        if (job.state === 'completed_with_failures') setStatus(EXIT_STATUS.failure)
      })
    },
  )
}

function addOrder(jobs: Command, { order, description }: (typeof ORDERS)[number]): void {
  const command = jobs.command(order).description(description).argument('<id>', 'which').option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async (id: string, { json = false }: Flags) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    const job = await withDatabase(config.databaseUrl, 'jobs', (database) =>
      audited(database, command, () => createRangeJobs(database).order(id, order)),
    )
    printAnswer(job, json, () => `${job.id} is ${job.state}.`)
  })
}

function addDelete(jobs: Command): void {
  const command = jobs
    .command('delete')
    .description('delete one that is over, with its batches and results')
    .argument('<id>', 'which')
  addSettingOptions(command, deleteSettings).action(async (id: string) => {
    const { config } = await loadConfig(deleteSettings, { commandLine: settingValues(command, deleteSettings) })
    await withDatabase(config.databaseUrl, 'jobs', (database) =>
      audited(database, command, () => createRangeJobs(database).delete(id)),
    )
    await removeResultFiles(config.resultsDir, id.toLowerCase())
    process.stdout.write(`${id} is deleted.\n`)
  })
}

async function printList(database: Database, filter: RangeJobFilter, json: boolean): Promise<void> {
  const jobs = await createRangeJobs(database).list(filter)
  printAnswer(jobs, json, () => jobsText(jobs, filter.states === undefined ? 'all' : 'such'))
}

function printDetail(job: RangeJobDetail, json: boolean): void {
  printAnswer(job, json, () => jobText(job))
}

async function watchToTheEnd(database: Database, id: string, json: boolean, setStatus: SetStatus): Promise<void> {
  const jobs = createRangeJobs(database)
  await untilInterrupted(async (signal) => {
    await watchJob(() => jobs.summary(id), {
      isOver: isRangeJobOver,
      progress: createProgressBar({ output: process.stderr, unit: 'blocks' }),
      tell: (line) => void process.stderr.write(`${line}\n`),
      signal,
    })
    if (signal.aborted) process.stderr.write('The range job goes on without being watched.\n')
    const job = await jobs.detail(id)
    printDetail(job, json)
    if (signal.aborted) setStatus(EXIT_STATUS.interrupted)
    else if (job.state !== 'completed') setStatus(EXIT_STATUS.failure)
  })
}
