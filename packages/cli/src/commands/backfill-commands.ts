import {
  BACKFILL_STATES,
  type BackfillDetail,
  type BackfillOrder,
  type Backfills,
  type BackfillState,
  createBackfills,
  type Database,
  defineSettings,
  formatDuration,
  isBackfillOver,
  loadConfig,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, Option } from 'commander'

import { audited } from '../audited.ts'
import { backfillsText, backfillText } from '../backfill/describe-backfill.ts'
import { dryRunBackfill } from '../backfill/dry-run-backfill.ts'
import { backfillJobOf, type StartOptions } from '../backfill/start-backfill.ts'
import type { EstimatedDryRun } from '../dry-run/dry-run-task.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { anyNumber, jsonObject } from '../option-values.ts'
import { printAnswer } from '../print-answer.ts'
import { createProgressBar } from '../progress-bar.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, optional, settingValues } from '../setting-options.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { tellWaiting, watchJob } from '../watch-job.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, configFile, taskPackages, chain, chainKind, chainEndpoints } = schedulerSettings
const settings = defineSettings({ databaseUrl, configFile })
const startSettings = defineSettings({
  ...settings,
  taskPackages,
  chain,
  chainKind,
  chainEndpoints: optional(chainEndpoints),
})

interface Flags {
  readonly json?: boolean
  readonly watch?: boolean
}

const ORDERS: readonly { readonly order: BackfillOrder; readonly description: string }[] = [
  { order: 'pause', description: 'schedule nothing more of it until it is resumed; what is queued runs on' },
  { order: 'resume', description: 'go on with one that was paused, or try again what failed' },
  { order: 'cancel', description: 'end it for good; what is queued runs on' },
]

/** Adds `blockmill backfill start`, `status`, `list`, `pause`, `resume` and `cancel`. */
export function addBackfillCommands(program: Command, setStatus: SetStatus): void {
  const backfill = program.command('backfill').description('fill in past blocks, beside the live run')
  addStart(backfill, setStatus)
  addStatus(backfill, setStatus)
  addList(backfill)
  for (const { order, description } of ORDERS) {
    const command = backfill
      .command(order)
      .description(description)
      .argument('<id>', 'which')
      .option('--json', 'as JSON')
    addSettingOptions(command, settings).action(async (id: string, { json = false }: Flags) => {
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      const job = await withDatabase(config.databaseUrl, 'backfill', (database) =>
        audited(database, command, () => createBackfills(database).order(id, order)),
      )
      printAnswer(job, json, () => `${job.id} is ${job.state}.`)
    })
  }
}

function addStart(backfill: Command, setStatus: SetStatus): void {
  const command = backfill
    .command('start', { isDefault: true })
    .description('fill in blocks that were not evaluated, and print the id of the job')
    .requiredOption('--task <name>', 'which task')
    .requiredOption('--from <block>', 'first block', anyNumber)
    .requiredOption('--to <block>', 'last block, included', anyNumber)
    .addOption(
      new Option('--args <json>', 'only with these arguments; default all that it has or has had').argParser(
        jsonObject,
      ),
    )
    .option('--chunk <blocks>', "blocks in one message, 1 to 500; default the task's own", anyNumber)
    .option('--window <tasks>', 'most tasks of its queue that wait at the broker; default 10000', anyNumber)
    .option('--rate <tasks>', 'most tasks scheduled in a second; default no limit', anyNumber)
    .option('--force', 'also blocks that were evaluated before: their tasks run again')
    .option('--dry-run', 'only count the tasks and estimate the time; status 1 when a condition failed')
    .option('--watch', 'show its progress until it is over; status 1 unless it is completed')
    .option('--json', 'as JSON')
  addSettingOptions(command, startSettings).action(async (flags: StartOptions & Flags & { dryRun?: boolean }) => {
    const { dryRun = false, json = false, watch = false, ...options } = flags
    const { config } = await loadConfig(startSettings, { commandLine: settingValues(command, startSettings) })
    const { job } = await backfillJobOf(config, options)
    await withDatabase(config.databaseUrl, 'backfill', async (database) => {
      if (dryRun) {
        const progress = createProgressBar({ output: process.stderr, unit: 'blocks' })
        const found = await dryRunBackfill(config, database, job, progress).finally(() => progress.end())
        printAnswer(found, json, () => dryRunText(found))
        if (found.failed > 0) setStatus(EXIT_STATUS.failure)
        return
      }
      const backfills = createBackfills(database)
      await audited(database, command, () => backfills.create(job))
      if (!watch) {
        const started = await backfills.summary(job.id)
        tellWaiting(started.state, started.error)
        return printAnswer(started, json, () => job.id)
      }
      if (!json) process.stdout.write(`${job.id}\n`)
      await watchToTheEnd(database, job.id, json, setStatus)
    })
  })
}

function addStatus(backfill: Command, setStatus: SetStatus): void {
  const command = backfill
    .command('status')
    .description('how far a back-fill is, and how its tasks are; without an id, those that are not over')
    .argument('[id]', 'which')
    .option('--watch', 'show its progress until it is over; status 1 unless it is completed')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(
    async (id: string | undefined, { json = false, watch = false }: Flags) => {
      if (id === undefined && watch) command.error("error: option '--watch' needs the id of a back-fill")
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      await withDatabase(config.databaseUrl, 'backfill', async (database) => {
        const backfills = createBackfills(database)
        if (id === undefined) await printList(backfills, { states: ['pending', 'running', 'paused'] }, json)
        else if (watch) await watchToTheEnd(database, id, json, setStatus)
        else printDetail(await backfills.detail(id), json)
      })
    },
  )
}

function addList(backfill: Command): void {
  const command = backfill
    .command('list')
    .description('list back-fills, the newest first')
    .option('--task <name>', 'only of this task')
    .addOption(new Option('--state <state>', 'only in this state').choices(BACKFILL_STATES))
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(
    async ({ json = false, task, state }: Flags & { task?: string; state?: BackfillState }) => {
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      await withDatabase(config.databaseUrl, 'backfill', (database) =>
        printList(createBackfills(database), { task, states: state === undefined ? undefined : [state] }, json),
      )
    },
  )
}

async function printList(backfills: Backfills, filter: Parameters<Backfills['list']>[0], json: boolean): Promise<void> {
  const jobs = await backfills.list(filter)
  printAnswer(jobs, json, () => backfillsText(jobs, filter?.states === undefined ? 'all' : 'such'))
}

function printDetail(job: BackfillDetail, json: boolean): void {
  printAnswer(job, json, () => backfillText(job))
}

async function watchToTheEnd(database: Database, id: string, json: boolean, setStatus: SetStatus): Promise<void> {
  const backfills = createBackfills(database)
  await untilInterrupted(async (signal) => {
    const look = async () => {
      const job = await backfills.summary(id)
      return { ...job, note: job.error }
    }
    await watchJob(look, {
      isOver: isBackfillOver,
      progress: createProgressBar({ output: process.stderr, unit: 'blocks' }),
      tell: (line) => void process.stderr.write(`${line}\n`),
      signal,
    })
    if (signal.aborted) process.stderr.write('The back-fill goes on without being watched.\n')
    const job = await backfills.detail(id)
    printDetail(job, json)
    if (signal.aborted) setStatus(EXIT_STATUS.interrupted)
    else if (job.state !== 'completed') setStatus(EXIT_STATUS.failure)
  })
}

function dryRunText({
  task,
  range,
  queue,
  lane,
  blocks,
  tasks,
  failed,
  runs,
  ratePerSecond,
  estimatedSeconds,
}: EstimatedDryRun): string {
  const evaluatedBefore = runs.reduce((sum, run) => sum + run.evaluatedBefore, 0)
  const time =
    estimatedSeconds === null || ratePerSecond === null
      ? 'unknown: no task of this queue has ended within five minutes'
      : `${formatDuration(Math.ceil(estimatedSeconds) * 1_000)} at the current rate of ${ratePerSecond.toPrecision(3)} tasks/s`
  return [
    `${tasks} tasks of ${task} on queue ${queue}, lane ${lane}, for ${blocks} blocks of ${range.from} to ${range.to}.`,
    `${evaluatedBefore} blocks are left out: they were evaluated before, or are left to the live run.`,
    ...(failed === 0 ? [] : [`The condition failed for ${failed} blocks.`]),
    `Estimated time: ${time}.`,
  ].join('\n')
}
