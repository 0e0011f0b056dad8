import {
  blockRange,
  canonicalJson,
  defineSettings,
  formatDuration,
  type JsonObject,
  loadConfig,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { dryRunTask, type EstimatedDryRun } from '../dry-run/dry-run-task.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { blockNumber, jsonObject } from '../option-values.ts'
import { createProgressBar } from '../progress-bar.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, optional, settingValues } from '../setting-options.ts'
import { textTable } from '../text-table.ts'

const { taskPackages, chain, chainKind, chainEndpoints, archiveEndpoints, databaseUrl, configFile } = schedulerSettings
const settings = defineSettings({
  taskPackages,
  chain,
  chainKind,
  archiveEndpoints,
  configFile,
  chainEndpoints: optional(chainEndpoints),
  databaseUrl: optional(databaseUrl),
})

interface Options {
  readonly task: string
  readonly from: number
  readonly to: number
  readonly args?: JsonObject
  readonly list: number
  readonly json?: boolean
}

/** Adds `blockmill tasks dry-run`. */
export function addDryRunCommand(tasks: Command, setStatus: SetStatus): void {
  const command = tasks
    .command('dry-run')
    .description(
      'count the tasks that a range of blocks would have, without scheduling any; status 1 when a condition failed',
    )
    .requiredOption('--task <name>', 'which task')
    .requiredOption('--from <block>', 'first block', blockNumber)
    .requiredOption('--to <block>', 'last block', blockNumber)
    .addOption(
      new Option('--args <json>', 'only with these arguments; default all that it runs with').argParser(jsonObject),
    )
    .option('--list <count>', 'show this many matching blocks for each set of arguments', count, 0)
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async ({ from, to, json = false, ...request }: Options) => {
    const range = blockRange(from, to)
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    const progress = createProgressBar({ output: process.stderr, unit: 'blocks' })
    try {
      const found = await dryRunTask(config, {
        ...request,
        args: request.args,
        range,
        onProgress: (so) => progress.show(so),
      })
      progress.end()
      process.stdout.write(`${json ? JSON.stringify(asJson(found), undefined, 2) : describe(found)}\n`)
      if (found.failed > 0) setStatus(EXIT_STATUS.failure)
    } finally {
      progress.end()
    }
  })
}

function count(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new InvalidArgumentError('It must be a whole number from 0 up.')
}

function describe(found: EstimatedDryRun): string {
  const { task, range, queue, lane, blocks, tasks, failed, runs } = found
  const table = textTable(
    ['arguments', 'queue', 'lane', 'blocks', 'tasks', 'first', 'last', 'failed conditions'],
    runs.map((run) => [
      canonicalJson(run.args),
      queue,
      lane,
      run.blocks,
      run.count,
      run.first ?? '-',
      run.last ?? '-',
      run.failedCount,
    ]),
  )
  return [
    ...(runs.length === 0 ? [`Task '${task}' has no arguments, and so no runs.`] : [table]),
    ...runs.flatMap(({ args, listed }) => (listed.length === 0 ? [] : [`${canonicalJson(args)}: ${listed.join(' ')}`])),
    ...runs.flatMap((run) => run.failures.map(({ block, error }) => `block ${block} failed: ${messageOf(error)}`)),
    `${tasks} tasks of ${task} on queue ${queue}, lane ${lane}, for ${blocks} evaluations of blocks ${range.from} to ${range.to}` +
      `${failed === 0 ? '' : `; the condition failed for ${failed}`}.`,
    `Estimated time: ${estimate(found)}.`,
  ].join('\n')
}

function estimate({ estimatedSeconds, ratePerSecond }: EstimatedDryRun): string {
  if (estimatedSeconds === null || ratePerSecond === null) {
    return 'unknown (needs DATABASE_URL, and tasks of this queue that ended within five minutes)'
  }
  const time = formatDuration(Math.ceil(estimatedSeconds) * 1_000)
  return `${time} at the current rate of ${ratePerSecond.toPrecision(3)} tasks/s`
}

function asJson(found: EstimatedDryRun): object {
  return {
    ...found,
    runs: found.runs.map((run) => ({
      ...run,
      failures: run.failures.map(({ block, error }) => ({ block, error: messageOf(error) })),
    })),
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
