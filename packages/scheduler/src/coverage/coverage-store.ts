import { type BlockRange, type BlockSet, fromMultirange, type Head, type JsonObject } from '@blockmill/core'

import { FENCE, fencedWrite, HELD } from '../lease/fence.ts'
import type { Sql } from '../sql.ts'

/** Names the coverage of one task with one set of arguments on one head of the chain. */
export interface CoverageKey {
  readonly task: string
  readonly argsHash: string
  readonly head: Head
}

/** Which blocks were evaluated: their condition was asked, and the broker confirmed what followed from it. */
export interface Coverage extends CoverageKey {
  readonly args: JsonObject
  /** First block that must be evaluated. */
  readonly startBlock: number
  readonly evaluated: BlockSet
}

/** Coverage as its follower needs it. */
export interface FollowedCoverage extends Coverage {
  /** First block of the live run while nothing is evaluated. Not on record: it follows from the start mode. */
  readonly liveFrom: number
}

/** A range that has just been evaluated, with all that its coverage's row needs, should that have gone. */
export interface EvaluatedRange extends Omit<Coverage, 'evaluated'> {
  readonly range: BlockRange
}

/**
 * The coverage of one chain. Every write carries the fencing token of the lease, and is refused when another scheduler has
 * taken over since: a leader that was stalled cannot write any more.
 *
 * All methods throw a `RetryableError`: `DATABASE_UNREACHABLE`, and for a write that is refused `SCHEDULER_LEASE_LOST`.
 */
export interface CoverageStore {
  load(): Promise<readonly Coverage[]>
  /** Adds coverage that is new, or changes the start block of what is there. */
  register(token: number, coverage: readonly Omit<Coverage, 'evaluated'>[]): Promise<void>
  /**
   * Adds ranges to what is evaluated, all in one statement: all of them, or none. Where coverage has gone, it is put back
   * on record with these ranges alone: what was forgotten is evaluated again after the next start, and nothing is claimed.
   */
  add(token: number, ranges: readonly EvaluatedRange[]): Promise<void>
}

const LOAD = `
  select task, args_hash, head, args, start_block, evaluated::text from blockmill.coverage where chain = $1`

const REGISTER = `
  with ${FENCE}, registered as (
    insert into blockmill.coverage (chain, task, args_hash, head, args, start_block)
    select $1, one.* from fence,
      unnest($3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[]) as one (task, args_hash, head, args, start_block)
    on conflict (chain, task, args_hash, head) do update set start_block = excluded.start_block, updated_at = now()
    returning 1
  )
  select ${HELD}, (select count(*) from registered)::int as written`

const ADD = `
  with ${FENCE}, added as (
    select task, args_hash, head, args, start_block, range_agg(int8range(first, last, '[]')) as blocks
    from unnest($3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[], $8::bigint[], $9::bigint[])
      as one (task, args_hash, head, args, start_block, first, last)
    group by task, args_hash, head, args, start_block
  ), written as (
    insert into blockmill.coverage as coverage (chain, task, args_hash, head, args, start_block, evaluated)
    select $1, added.* from fence, added
    on conflict (chain, task, args_hash, head)
      do update set evaluated = coverage.evaluated + excluded.evaluated, updated_at = now()
    returning 1
  )
  select ${HELD}, (select count(*) from written)::int as written`

/** The coverage of a chain in PostgreSQL: one row for each key, its evaluated blocks an `int8multirange`. */
export function createCoverageStore({ sql, chain }: { readonly sql: Sql; readonly chain: string }): CoverageStore {
  const write = async (statement: string, token: number, values: readonly unknown[][]): Promise<void> => {
    await fencedWrite(sql, statement, { chain, token }, values)
  }

  return {
    async load() {
      const rows = await sql.query<CoverageRow>(LOAD, [chain])
      return rows.map((row) => ({
        task: row.task,
        argsHash: row.args_hash,
        head: row.head,
        args: row.args,
        startBlock: row.start_block,
        evaluated: fromMultirange(row.evaluated),
      }))
    },

    async register(token, coverage) {
      await write(REGISTER, token, columns(coverage))
    },

    async add(token, ranges) {
      await write(ADD, token, [
        ...columns(ranges),
        ranges.map(({ range }) => range.from),
        ranges.map(({ range }) => range.to),
      ])
    },
  }
}

interface CoverageRow {
  readonly task: string
  readonly args_hash: string
  readonly head: Head
  readonly args: JsonObject
  readonly start_block: number
  readonly evaluated: string
}

function columns(coverage: readonly Omit<Coverage, 'evaluated'>[]): unknown[][] {
  return [
    coverage.map(({ task }) => task),
    coverage.map(({ argsHash }) => argsHash),
    coverage.map(({ head }) => head),
    coverage.map(({ args }) => JSON.stringify(args)),
    coverage.map(({ startBlock }) => startBlock),
  ]
}
