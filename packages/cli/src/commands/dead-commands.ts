import { type Database, defineSettings, loadConfig, NonRetryableError, schedulerSettings } from '@blockmill/core'
import type { DeadLetterFilter } from '@blockmill/monitor'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { audited } from '../audited.ts'
import { withBroker } from '../control/with-control.ts'
import { letterJson, lettersText, letterText } from '../dead-letters/dead-letter-text.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const lookSettings = defineSettings({ databaseUrl, configFile })
const replaySettings = defineSettings({ databaseUrl, brokerUrl, namespace, monitorQueue, configFile })

const DEFAULT_LIMIT = 1_000
const MAX_LIMIT = 100_000
const LISTED = 50

interface SelectionFlags extends DeadLetterFilter {
  readonly all?: boolean
  readonly limit: number
  readonly json?: boolean
}

/** Adds `blockmill dead list`, `show`, `replay` and `purge`. */
export function addDeadCommands(program: Command, setStatus: SetStatus): void {
  const dead = program.command('dead').description('messages that no worker could take: look, run again, delete')
  addList(dead)
  addShow(dead)
  addReplay(dead, setStatus)
  addPurge(dead)
}

function addList(dead: Command): void {
  const command = withFilter(dead.command('list').description('those that came last first'), LISTED)
  addSettingOptions(command, lookSettings).action(async ({ json = false, limit, ...filter }: SelectionFlags) => {
    const { letters, next } = await withRecord(command, async (database) => {
      const { listDeadLetters } = await import('@blockmill/monitor')
      return listDeadLetters(database.query, { ...filter, limit })
    })
    const more = next === undefined ? '' : '\nThere are more: see --limit.'
    process.stdout.write(`${json ? JSON.stringify(letters, undefined, 2) : `${lettersText(letters)}${more}`}\n`)
  })
}

function addShow(dead: Command): void {
  const command = dead
    .command('show')
    .description('one with its headers and body')
    .argument('<id>', 'which')
    .option('--json', 'as JSON')
  addSettingOptions(command, lookSettings).action(async (id: string, { json = false }: { json?: boolean }) => {
    const [letterId = id] = idsOf([id])
    const letter = await withRecord(command, async (database) => {
      const { findDeadLetter } = await import('@blockmill/monitor')
      return findDeadLetter(database.query, letterId)
    })
    if (letter === undefined) throw unknown(id)
    process.stdout.write(`${json ? JSON.stringify(letterJson(letter), undefined, 2) : letterText(letter)}\n`)
  })
}

function addReplay(dead: Command, setStatus: SetStatus): void {
  const command = withFilter(
    dead
      .command('replay')
      .description('run their tasks again, as a new generation, and delete them; status 1 when any cannot be replayed')
      .argument('[id...]', 'which; or those that fit the options'),
    DEFAULT_LIMIT,
  ).option('--all', 'all that there are')
  addSettingOptions(command, replaySettings).action(async (given: string[], flags: SelectionFlags) => {
    const report = await withRecord(command, async (database) => {
      const { replayDeadLetters } = await import('@blockmill/monitor')
      const ids = await selectedIds(database, given, flags)
      const { config } = await loadConfig(replaySettings, { commandLine: settingValues(command, replaySettings) })
      return audited(database, command, () =>
        withBroker(config, (broker) => replayDeadLetters({ database, broker, now: () => new Date() }, ids)),
      )
    })
    const { replayed, refused } = report
    const lines = [`${replayed} replayed, ${refused.length} cannot be replayed.`, ...refused.map(({ why }) => why)]
    process.stdout.write(`${flags.json === true ? JSON.stringify(report, undefined, 2) : lines.join('\n')}\n`)
    if (refused.length > 0) setStatus(EXIT_STATUS.failure)
  })
}

function addPurge(dead: Command): void {
  const command = withFilter(
    dead
      .command('purge')
      .description('delete them for good; their tasks stay on record')
      .argument('[id...]', 'which; or those that fit the options'),
    DEFAULT_LIMIT,
  ).option('--all', 'all that there are')
  addSettingOptions(command, lookSettings).action(async (given: string[], flags: SelectionFlags) => {
    const deleted = await withRecord(command, async (database) => {
      const { deleteDeadLetters } = await import('@blockmill/monitor')
      const ids = await selectedIds(database, given, flags)
      return audited(database, command, () => deleteDeadLetters(database.query, ids))
    })
    process.stdout.write(`${flags.json === true ? JSON.stringify({ deleted }) : `${deleted} deleted.`}\n`)
  })
}

function withFilter(command: Command, limit: number): Command {
  const most = new Option('--limit <count>', 'at most so many').argParser(limitOf).default(limit)
  return command
    .option('--reason <reason>', 'only for this reason, such as unknown_task')
    .option('--queue <queue>', 'only from this queue')
    .option('--task <name>', 'only of this task')
    .addOption(most)
    .option('--json', 'as JSON')
}

async function withRecord<Result>(command: Command, work: (database: Database) => Promise<Result>): Promise<Result> {
  const { config } = await loadConfig(lookSettings, { commandLine: settingValues(command, lookSettings) })
  return withDatabase(config.databaseUrl, 'dead', work)
}

/** The letters that were named, or all that fit. Nothing said would mean everything, which nobody should order by mistake. */
async function selectedIds(
  { query }: Database,
  given: readonly string[],
  { all = false, limit, reason, queue, task }: SelectionFlags,
): Promise<readonly string[]> {
  const { idsOfDeadLetters } = await import('@blockmill/monitor')
  const isFiltered = [reason, queue, task].some((value) => value !== undefined)
  if (given.length > 0 && !isFiltered && !all) {
    const ids = idsOf(given)
    const known = await query<{ id: string }>('select id from blockmill.dead_letter where id = any($1::uuid[])', [ids])
    const missing = ids.find((id) => known.every((one) => one.id !== id))
    if (missing !== undefined) throw unknown(missing)
    return ids
  }
  if (given.length === 0 && (isFiltered || all)) return idsOfDeadLetters(query, { reason, queue, task }, limit)
  throw new NonRetryableError(
    'CONTROL_INVALID',
    'Say which dead letters are meant: ids, or --reason, --queue or --task, or --all; not ids with any of these.',
  )
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function idsOf(given: readonly string[]): string[] {
  return given.map((text) => {
    const id = text.toLowerCase()
    if (UUID.test(id)) return id
    throw new NonRetryableError(
      'CONTROL_INVALID',
      `${JSON.stringify(text)} is no id of a dead letter. It is a UUID, as blockmill dead list shows it.`,
    )
  })
}

function unknown(id: string): NonRetryableError {
  return new NonRetryableError('DEAD_LETTER_UNKNOWN', `No dead letter with the id ${id} is on record.`)
}

function limitOf(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_LIMIT}.`)
}
