import {
  type Database,
  defineSettings,
  FINAL_STATES,
  loadConfig,
  NonRetryableError,
  schedulerSettings,
  type TaskState,
} from '@blockmill/core'
import type { TaskFilter, TaskOutcome } from '@blockmill/monitor'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { withBroker } from '../control/with-control.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { blockNumber } from '../option-values.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, brokerUrl, namespace, monitorQueue, configFile })

const DEFAULT_LIMIT = 1_000
const MAX_LIMIT = 1_000_000
const BATCH = 500
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface RetryFlags {
  readonly status?: TaskState[]
  readonly task?: string
  readonly queue?: string
  readonly chain?: string
  readonly from?: number
  readonly to?: number
  readonly limit: number
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Adds `blockmill retry`. */
export function addRetryCommand(program: Command, setStatus: SetStatus): void {
  const command = program
    .command('retry')
    .description('run tasks that have ended again, as a new generation; status 1 when any cannot be run again')
    .argument('[id...]', 'ids of tasks; or those that fit the options')
    .addOption(new Option('--status <state...>', 'only in these states').choices(FINAL_STATES))
    .option('--task <name>', 'only of this task')
    .option('--queue <queue>', 'only of this queue')
    .option('--chain <name>', 'only of this chain')
    .option('--from <block>', 'only from this block on', blockNumber)
    .option('--to <block>', 'only up to this block', blockNumber)
    .addOption(new Option('--limit <count>', 'at most so many by filter').argParser(limitOf).default(DEFAULT_LIMIT))
    .option('--force', 'also those that have succeeded')
    .option('--dry-run', 'only count')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async (given: string[], flags: RetryFlags) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    await withDatabase(config.databaseUrl, 'retry', async (database) => {
      const ids = await selectedIds(database, given, flags)
      if (flags.dryRun === true) {
        const text = flags.json === true ? JSON.stringify({ total: ids.length }) : `${ids.length} would be run again.`
        process.stdout.write(`${text}\n`)
        return
      }
      const { actOnTasks } = await import('@blockmill/monitor')
      const outcomes = await withBroker(config, async (broker) => {
        const ports = { database, broker, now: () => new Date(), by: 'blockmill retry' }
        const all: TaskOutcome[] = []
        for (let n = 0; n < ids.length; n += BATCH) {
          all.push(...(await actOnTasks(ports, 'retry', ids.slice(n, n + BATCH), flags)))
        }
        return all
      })
      if (report(outcomes, flags) > 0) setStatus(EXIT_STATUS.failure)
    })
  })
}

/** The tasks that were named, or all that fit. Nothing said would mean everything, which nobody should order by mistake. */
async function selectedIds(
  { query }: Database,
  given: readonly string[],
  { status, task, queue, chain, from, to, limit, force }: RetryFlags,
): Promise<readonly string[]> {
  const filter: TaskFilter = {
    ...(status !== undefined && { status }),
    ...(task !== undefined && { name: task }),
    ...(queue !== undefined && { queue }),
    ...(chain !== undefined && { chain }),
    ...(from !== undefined && { blockFrom: from }),
    ...(to !== undefined && { blockTo: to }),
  }
  const isFiltered = Object.keys(filter).length > 0
  if (given.length > 0 && !isFiltered) return [...new Set(given.map(idOf))]
  if (given.length === 0 && isFiltered) {
    const { actionFilter, selectTaskIds } = await import('@blockmill/monitor')
    return selectTaskIds(query, actionFilter(filter, 'retry', { force }), { limit })
  }
  throw new NonRetryableError(
    'CONTROL_INVALID',
    'Say which tasks are meant: ids, or --status, --task, --queue, --chain, --from or --to; not ids with any of these.',
  )
}

/** @returns how many could not be run again. */
function report(outcomes: readonly TaskOutcome[], { json = false }: RetryFlags): number {
  const refused = outcomes.flatMap((outcome) => {
    if (outcome.type === 'done') return []
    return [{ id: outcome.id, why: outcome.type === 'unknown' ? 'is not on record' : outcome.why }]
  })
  const retried = outcomes.length - refused.length
  const lines = [
    `${retried} run again, ${refused.length} cannot be run again.`,
    ...refused.map(({ id, why }) => `Task ${id} ${why}.`),
  ]
  process.stdout.write(`${json ? JSON.stringify({ retried, refused }, undefined, 2) : lines.join('\n')}\n`)
  return refused.length
}

function idOf(text: string): string {
  const id = text.toLowerCase()
  if (UUID.test(id)) return id
  throw new NonRetryableError(
    'CONTROL_INVALID',
    `${JSON.stringify(text)} is no task id. A task id is a UUID, as lists of tasks and events show it.`,
  )
}

function limitOf(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_LIMIT}.`)
}
