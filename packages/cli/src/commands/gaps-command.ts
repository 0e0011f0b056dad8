import {
  assertSchemaCurrent,
  blockRange,
  canonicalJson,
  createLogger,
  type Database,
  defineSettings,
  loadConfig,
  NonRetryableError,
  openDatabase,
  schedulerSettings,
  waitForDatabase,
} from '@blockmill/core'
import type { CoverageFilter, GapsView, SomeBlocks } from '@blockmill/monitor'
import type { Command } from 'commander'

import { EXIT_STATUS } from '../exit-status.ts'
import { givingUp } from '../giving-up.ts'
import { blockNumber } from '../option-values.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { textTable } from '../text-table.ts'

const { databaseUrl, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, configFile })

interface Options {
  readonly task?: string
  readonly chain?: string
  readonly from?: number
  readonly to?: number
  readonly strict?: boolean
  readonly json?: boolean
}

const RANGES_IN_TABLE = 3

/** Adds `blockmill gaps`. */
export function addGapsCommand(program: Command, setStatus: SetStatus): void {
  const command = program
    .command('gaps')
    .description(
      'blocks that were not evaluated, and those whose task is unfinished or has failed; status 1 when any is missing',
    )
    .option('--task <name>', 'only of this task')
    .option('--chain <name>', 'only of this chain')
    .option('--from <block>', 'first block that counts; default the start block of each task', blockNumber)
    .option(
      '--to <block>',
      'last block that counts; default the highest evaluated, or the head where a task is stuck',
      blockNumber,
    )
    .option('--strict', 'status 1 also when a task is unfinished or has failed')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async ({ strict = false, json = false, ...filter }: Options) => {
    if (filter.from !== undefined && filter.to !== undefined) blockRange(filter.from, filter.to)
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    const gaps = await readAllGaps(config.databaseUrl, filter)
    process.stdout.write(`${json ? JSON.stringify(gaps, undefined, 2) : gapsText(gaps)}\n`)
    if (gaps.some((one) => isLacking(one, strict))) setStatus(EXIT_STATUS.failure)
  })
}

async function readAllGaps(url: string, filter: CoverageFilter): Promise<GapsView[]> {
  // Standard output is for the answer alone.
  const logger = createLogger({ service: 'gaps', level: 'warn', destination: process.stderr })
  const database = openDatabase({ url, logger, poolMax: 2 })
  try {
    await waitForDatabase(database, { logger, signal: givingUp('DATABASE_UNREACHABLE', 'The database') })
    await assertSchemaCurrent(database)
    return await allPages(database, filter)
  } finally {
    await database.close()
  }
}

async function allPages({ query }: Database, filter: CoverageFilter): Promise<GapsView[]> {
  const { readGaps } = await import('@blockmill/monitor')
  const all: GapsView[] = []
  let cursor: string | undefined
  do {
    const page = await readGaps(query, { ...filter, cursor, limit: 200 })
    all.push(...page.gaps)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  const { task, chain } = filter
  if (all.length > 0 || (task ?? chain) === undefined) return all
  // An empty list would look like all is well.
  const named = [
    ...(task === undefined ? [] : [`task '${task}'`]),
    ...(chain === undefined ? [] : [`chain '${chain}'`]),
  ]
  throw new NonRetryableError(
    'COVERAGE_UNKNOWN',
    `There is no coverage of ${named.join(' on ')} on record. Check the name.`,
  )
}

function isLacking({ missing, unfinished, failed }: GapsView, strict: boolean): boolean {
  return missing.count > 0 || (strict && unfinished.count + failed.count > 0)
}

function gapsText(gaps: readonly GapsView[]): string {
  if (gaps.length === 0) return 'No block has been evaluated yet.'
  const table = textTable(
    [
      'chain',
      'task',
      'arguments',
      'head',
      'from',
      'evaluated to',
      'head is',
      'missing',
      'unfinished',
      'failed',
      'missing blocks',
    ],
    gaps.map((one) => [
      one.chain,
      one.task,
      canonicalJson(one.args),
      one.head,
      one.startBlock,
      one.evaluatedTo ?? '-',
      one.headNumber ?? '-',
      one.missing.count,
      countText(one.unfinished),
      countText(one.failed),
      rangesText(one.missing),
    ]),
  )
  const missing = sumOf(gaps.map((one) => one.missing))
  const [unfinished, failed] = [sumOf(gaps.map((one) => one.unfinished)), sumOf(gaps.map((one) => one.failed))]
  return [
    table,
    `${missing === '0' ? 'No block is missing' : `${missing} missing`}, ${unfinished} unfinished, ${failed} failed.`,
  ].join('\n')
}

function sumOf(all: readonly SomeBlocks[]): string {
  const count = all.reduce((sum, one) => sum + one.count, 0)
  return countText({ count, ...(all.some(({ isCountCut }) => isCountCut) && { isCountCut: true }) })
}

/** `50000+` where not all were counted. */
function countText({ count, isCountCut }: Pick<SomeBlocks, 'count' | 'isCountCut'>): string {
  return `${count}${isCountCut === true ? '+' : ''}`
}

function rangesText({ ranges, isCut }: SomeBlocks): string {
  if (ranges.length === 0) return '-'
  const shown = ranges.slice(0, RANGES_IN_TABLE).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return `${shown.join(', ')}${isCut || ranges.length > RANGES_IN_TABLE ? ', …' : ''}`
}
