import {
  type BlockRange,
  type Condition,
  type ConditionContext,
  difference,
  isPeriodic,
  type JsonObject,
  type RegisteredTask,
} from '@blockmill/core'

import { textTable } from '../text-table.ts'
import type { DemoCoverage, TaskSummary } from './demo-record.ts'

/** Everything that the demo's truth rests on. */
export interface DemoEvidence {
  readonly blocks: BlockRange
  /** Those that are for the demo's chain. */
  readonly tasks: readonly RegisteredTask[]
  readonly coverage: readonly DemoCoverage[]
  readonly summaries: readonly TaskSummary[]
}

/**
 * What is missing, as sentences; none when every block was evaluated for every task, every task that should exist is
 * recorded as scheduled, and every one of them as finished. What failed after its attempts is finished, not missing.
 */
export function findMissing({ blocks, tasks, coverage, summaries }: DemoEvidence): string[] {
  const missing: string[] = []
  for (const { definition } of tasks) {
    const { name } = definition
    const rows = coverage.filter((one) => one.task === name)
    const summary = summaries.find((one) => one.name === name)
    const expected = expectedCount(definition, blocks)
    if (rows.length === 0 && expected !== 0) missing.push(`${name}: no coverage is recorded`)
    for (const { evaluated } of rows) {
      const gaps = difference([blocks], evaluated)
      if (gaps.length > 0) missing.push(`${name}: not evaluated for ${gaps.map(describeRange).join(', ')}`)
    }
    const recorded = summary?.recorded ?? 0
    if (expected !== undefined && recorded !== expected) {
      missing.push(`${name}: ${recorded} tasks are recorded, but there should be ${expected}`)
    }
    if (summary !== undefined && summary.scheduled < recorded) {
      missing.push(`${name}: ${recorded - summary.scheduled} tasks lack the record of their schedule`)
    }
    if (summary !== undefined && summary.finished < recorded) {
      missing.push(`${name}: ${recorded - summary.finished} tasks are not finished`)
    }
  }
  return missing
}

/** How many tasks a definition must lead to; `undefined` where only the chain could tell. */
export function expectedCount(
  { condition, args, head }: RegisteredTask['definition'],
  { from, to }: BlockRange,
): number | undefined {
  if (typeof args === 'function' || (head === 'latest' && !isPeriodic(condition))) return undefined
  let count = 0
  try {
    for (const one of args) {
      for (let number = from; number <= to; number += 1) {
        const answer = (condition as Condition<JsonObject>)({ number }, one, WITHOUT_CHAIN)
        if (typeof answer !== 'boolean') {
          // Its failure says nothing here: the scheduler has asked it again.
          answer.catch(() => undefined)
          return undefined
        }
        if (answer) count += 1
      }
    }
  } catch {
    // It needs the chain, or fails at times: what it said to the scheduler is not known.
    return undefined
  }
  return count
}

const WITHOUT_CHAIN: ConditionContext = {
  signal: new AbortController().signal,
  get chain(): never {
    throw new Error('The chain is not at hand.')
  },
}

/** The summary as a table: one line for each task, and one for all. */
export function summaryTable(summaries: readonly TaskSummary[]): string {
  const sum = (key: 'scheduled' | 'succeeded' | 'retried' | 'failed'): number =>
    summaries.reduce((total, one) => total + one[key], 0)
  const rows = summaries.map((one) => [
    one.name,
    one.scheduled,
    one.succeeded,
    one.retried,
    one.failed,
    milliseconds(one.p50Ms),
    milliseconds(one.p95Ms),
  ])
  const total = ['all', sum('scheduled'), sum('succeeded'), sum('retried'), sum('failed'), '', '']
  return textTable(['task', 'scheduled', 'succeeded', 'retried', 'failed', 'p50', 'p95'], [...rows, total])
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)} ms`
}

function describeRange({ from, to }: BlockRange): string {
  return from === to ? `block ${from}` : `blocks ${from} to ${to}`
}
