import { FINAL_STATES, type FinalState, type Query } from '@blockmill/core'

import { RATE_STEPS } from './samples.ts'

/** What ends of tasks may be told apart by. */
export const RATE_GROUPS = ['chain', 'name', 'queue'] as const
export type RateGroup = (typeof RATE_GROUPS)[number]

/** Which ends are counted, over which time, in which steps. */
export interface RatesQuestion {
  /** Both are a multiple of the step since the epoch; `to` is not included. */
  readonly from: Date
  readonly to: Date
  /** One of `ASKED_STEPS`. */
  readonly stepSeconds: number
  readonly groupBy?: RateGroup | undefined
  readonly chain?: string | undefined
  readonly name?: string | undefined
  readonly queue?: string | undefined
}

/** How many tasks of a group ended in each step, by their state. */
export interface RateSeries {
  /** Null for all together. */
  readonly group: string | null
  readonly counts: Readonly<Record<FinalState, readonly number[]>>
}

/** Series of more groups are left out: those with the fewest. */
export const MAX_SERIES = 20

const DAY_MS = 86_400_000

/** For how long the counts of each width are kept. */
export const RATES_KEPT_MS: Readonly<Record<(typeof RATE_STEPS)[number], number>> = {
  60: 2 * DAY_MS,
  600: 14 * DAY_MS,
  3600: 100 * DAY_MS,
  86400: 800 * DAY_MS,
}

/** The widths that a question may ask for: each is a few of the counts that are kept, so that no answer reads many rows. */
export const ASKED_STEPS = [60, 300, 600, 1_800, 3_600, 10_800, 86_400] as const

/** How many tasks ended in each step of a time, the most frequent group first. */
export async function readRates(query: Query, question: RatesQuestion): Promise<RateSeries[]> {
  const { from, to, stepSeconds, groupBy } = question
  const params: unknown[] = [from, to, stepSeconds, finestStep(stepSeconds)]
  const where = RATE_GROUPS.flatMap((column) => {
    const value = question[column]
    return value === undefined ? [] : [`and ${column} = $${params.push(value)}`]
  }).join(' ')
  const group = groupBy ?? 'null::text'
  // What was not added up yet is in the differences alone.
  const rows = await query<{ step: number; group: string | null; status: FinalState; count: number }>(
    `select floor(extract(epoch from at - $1::timestamptz) / $3)::int as step, "group", status, sum(count)::bigint as count from (
       select at, ${group} as "group", status, count from blockmill.task_rate
       where step_seconds = $4 and at >= $1 and at < $2 ${where}
       union all
       select ended_minute, ${group}, status, count from blockmill.task_count
       where ended_minute >= $1 and ended_minute < $2 ${where}
     ) as ended group by 1, 2, 3 having sum(count) <> 0`,
    params,
  )
  const steps = Math.round((to.getTime() - from.getTime()) / 1_000 / stepSeconds)
  const series = new Map<string | null, { counts: Record<FinalState, number[]>; total: number }>()
  for (const row of rows) {
    const one = series.get(row.group) ?? { counts: noEnds(steps), total: 0 }
    one.counts[row.status][row.step] = row.count
    one.total += row.count
    series.set(row.group, one)
  }
  if (groupBy === undefined && series.size === 0) return [{ group: null, counts: noEnds(steps) }]
  return [...series]
    .toSorted(([, a], [, b]) => b.total - a.total)
    .slice(0, MAX_SERIES)
    .map(([name, { counts }]) => ({ group: name, counts }))
}

/** Deletes counts of minutes and hours that nobody can ask for any more. */
export async function pruneRates(query: Query, now: Date): Promise<void> {
  for (const step of RATE_STEPS) {
    await query('delete from blockmill.task_rate where step_seconds = $1 and at < $2', [
      step,
      new Date(now.getTime() - RATES_KEPT_MS[step]),
    ])
  }
}

/** The counts that a step is made of: the widest that fit into it. */
export function finestStep(stepSeconds: number): (typeof RATE_STEPS)[number] {
  return RATE_STEPS.findLast((width) => stepSeconds % width === 0) ?? 60
}

function noEnds(steps: number): Record<FinalState, number[]> {
  const entries = FINAL_STATES.map((state) => [state, Array.from({ length: steps }, () => 0)] as const)
  return Object.fromEntries(entries) as Record<FinalState, number[]>
}
