import { setTimeout as delay } from 'node:timers/promises'

import { FINAL_STATES, type TaskState } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'

import { type ChaosPlan, chaosPlan } from './chaos-plan.ts'
import type { ChaosSystem } from './chaos-system.ts'

/** How a run went. */
export interface ChaosOutcome {
  /** For each kill, how many of the tasks published so far were not on record as finished. */
  readonly unfinishedAtKills: readonly number[]
  /** What is not as it must be, a line each; none after a good run. */
  readonly faults: readonly string[]
}

interface Row {
  readonly id: string
  readonly name: string
  readonly status: TaskState
  readonly attempt: number
  readonly postpones: number
  readonly is_scheduled: boolean
  readonly is_finished: boolean
  /** How its attempts ended, in order, each once: an attempt may have run on a worker that died and on another. */
  readonly outcomes: readonly string[]
}

/** How a task must end, by its name. */
const DESIGN: Readonly<Record<string, (row: Row) => boolean>> = {
  nothing: (row) => succeededAt(row, 1) && row.postpones === 0,
  waits: (row) => succeededAt(row, 1) && row.postpones === 0,
  'fails-once': (row) => succeededAt(row, 2) && row.outcomes.join() === 'retrying',
  'fails-always': (row) => row.status === 'failed' && row.attempt === 2 && row.outcomes.join() === 'retrying,failed',
  postpones: (row) => succeededAt(row, 1) && row.postpones > 0 && row.outcomes.includes('postponed'),
}

/** Carries a plan out, waits until every task is finished, and says what is wrong with the record. */
export async function runChaos(
  system: ChaosSystem,
  { seed, ...load }: { readonly seed: number; readonly tasks: number; readonly firstBlock: number },
): Promise<ChaosOutcome> {
  const plan = chaosPlan(seed, load)
  const blocks = { from: load.firstBlock, to: load.firstBlock + load.tasks - 1 }
  const unfinishedAtKills: number[] = []
  let published = 0
  for (const { messages, killAfterMs, victim } of plan.rounds) {
    // Not waited for: workers die while they are given messages, too.
    const publishing = Promise.all(messages.map((message) => system.publish(message)))
    await delay(killAfterMs)
    await system.killWorker(victim)
    await publishing
    published += messages.reduce((sum, { items }) => sum + items.length, 0)
    unfinishedAtKills.push(published - (await countFinished(system, blocks)))
  }
  const allFinished = waitFor(async () => (await countFinished(system, blocks)) === load.tasks, {
    describe: 'all tasks are finished',
    timeoutMs: 120_000,
    intervalMs: 50,
  })
  // What led to an end may be recorded a moment after it: a killed worker may have sent on what another still has to report.
  const noFaults = allFinished.then(() =>
    waitFor(async () => (await findFaults(system, plan, blocks)).length === 0, {
      describe: 'all of it is on record',
      intervalMs: 250,
    }),
  )
  // When the time is over, the faults say what is not as it must be.
  await Promise.race([noFaults.catch(() => undefined), system.failed])
  return { unfinishedAtKills, faults: await findFaults(system, plan, blocks) }
}

const MOST_SHOWN = 20

/** Compares the record with the plan, both ways. */
async function findFaults(
  { database }: ChaosSystem,
  { rounds }: ChaosPlan,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<string[]> {
  const planned = new Map(
    rounds.flatMap(({ messages }) => messages.flatMap(({ task, items }) => items.map(({ id }) => [id, task] as const))),
  )
  const rows = await database.query<Row>(RECORD, [from, to])
  const recorded = new Set(rows.map(({ id }) => id))
  const unrecorded = [...planned].filter(([id]) => !recorded.has(id))
  const faults = [
    ...unrecorded.map(([id, task]) => `${task} ${id} is not on record`),
    ...rows.filter(({ id, name }) => planned.get(id) !== name).map((row) => `${show(row)} was never published`),
    ...rows.filter((row) => !endedAsDesigned(row)).map((row) => `${show(row)} did not end as it must`),
    ...rows.filter(({ is_scheduled }) => !is_scheduled).map((row) => `${show(row)} is not recorded as scheduled`),
    ...rows.filter(({ is_finished }) => !is_finished).map((row) => `${show(row)} has no time at which it finished`),
  ]
  return faults.length <= MOST_SHOWN ? faults : [`${faults.length} faults, such as:`, ...faults.slice(0, MOST_SHOWN)]
}

const RECORD = `
  select id, name, status, attempt, postpones,
    queue is not null and lane is not null and priority is not null and args is not null and cause is not null
      and max_attempts is not null and scheduled_at is not null as is_scheduled,
    finished_at is not null and started_at is not null and worker is not null as is_finished,
    coalesce((
      select array_agg(outcome order by ends.attempt, ends.postpones, outcome desc)
      from (
        select distinct attempt, postpones, outcome from blockmill.task_attempt
        where task_id = task.id and outcome <> 'lost'
      ) as ends
    ), '{}') as outcomes
  from blockmill.task where block_number between $1 and $2`

function endedAsDesigned(row: Row): boolean {
  return DESIGN[row.name]?.(row) ?? false
}

function succeededAt({ status, attempt, outcomes }: Row, expected: number): boolean {
  return status === 'succeeded' && attempt === expected && !outcomes.includes('succeeded')
}

function show(row: Row): string {
  return JSON.stringify(row)
}

async function countFinished(
  { database }: ChaosSystem,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number> {
  const [row] = await database.query<{ finished: number }>(
    `select count(*) as finished from blockmill.task where block_number between $1 and $2 and status = any($3)`,
    [from, to, [...FINAL_STATES]],
  )
  return row?.finished ?? 0
}
