import type { BlockHeader } from '@blockmill/core'

import { FENCE, fencedWrite, HELD } from '../lease/fence.ts'
import type { Sql } from '../sql.ts'
import type { Branch } from './branch.ts'

/** A block that the chain has replaced. */
export interface OrphanedBlock {
  readonly number: number
  readonly hash: string
  /** When, in Unix milliseconds: the generation in which its tasks are orphaned. */
  readonly generation: number
}

/** What is on record of a branch. */
export interface RecordedBranch {
  /** Ascending. */
  readonly blocks: Branch
  readonly orphaned: readonly OrphanedBlock[]
  /** The newest block that was known to be final. */
  readonly finalized: Pick<BlockHeader, 'number' | 'hash'> | undefined
}

/** How a branch goes on. */
export interface BranchExtension {
  /** Ascending; their numbers may be on record with other hashes. */
  readonly blocks: Branch
  /** Blocks below this one are forgotten. */
  readonly keptFrom: number
}

/** A reorganisation: what is above the ancestor is replaced. */
export interface BranchReplacement extends BranchExtension {
  readonly ancestor: number
  /** All of one generation. */
  readonly orphaned: readonly OrphanedBlock[]
}

/**
 * The branch of one chain that tasks on `latest` are scheduled for. Writes carry the token of the lease, and are refused when
 * another scheduler has taken over since.
 *
 * All methods throw a `RetryableError`: `DATABASE_UNREACHABLE`, and for a write that is refused `SCHEDULER_LEASE_LOST`.
 */
export interface BranchStore {
  load(): Promise<RecordedBranch>
  /** The blocks of these numbers, both included, that tasks on record were scheduled for: what is known below the branch. */
  scheduledBlocks(from: number, to: number): Promise<readonly Pick<BlockHeader, 'number' | 'hash'>[]>
  extend(token: number, extension: BranchExtension): Promise<void>
  /** Besides, takes back the coverage of `latest` above the ancestor, in the same statement: all of it, or nothing. */
  replace(token: number, replacement: BranchReplacement): Promise<void>
}

const LOAD_BLOCKS = `
  select number, hash, generation from blockmill.recent_block where chain = $1 order by number`
const LOAD_ORPHANED = `
  select number, hash, generation from blockmill.orphaned_block where chain = $1`
const LOAD_FINALIZED = `
  select finalized_number as number, finalized_hash as hash from blockmill.chain where id = $1 and finalized_number is not null`

const SCHEDULED_BLOCKS = `
  select distinct block_number as number, block_hash as hash from blockmill.task
  where chain = $1 and block_number between $2 and $3 and block_hash is not null
    and name in (select task from blockmill.coverage where chain = $1 and head = 'latest')`

// What is canonical again is orphaned no more: it has a generation of its own now.
const WRITE_BLOCKS = `
  returned as (
    delete from blockmill.orphaned_block using fence where chain = $1 and hash = any($4::text[])
  ), dropped as (
    delete from blockmill.recent_block using fence
    where chain = $1 and (number < $6::bigint or number > (select max(number) from unnest($3::bigint[]) as number))
  ), written as (
    insert into blockmill.recent_block (chain, number, hash, generation)
    select $1, block.* from fence, unnest($3::bigint[], $4::text[], $5::bigint[]) as block (number, hash, generation)
    on conflict (chain, number) do update set hash = excluded.hash, generation = excluded.generation
  )`

const EXTEND = `with ${FENCE}, ${WRITE_BLOCKS} select ${HELD}`

const REPLACE = `
  with ${FENCE}, ${WRITE_BLOCKS}, retracted as (
    update blockmill.coverage as coverage
    set evaluated = evaluated - int8multirange(int8range($7::bigint + 1, null)), updated_at = now()
    from fence where chain = $1 and head = 'latest' and upper(evaluated) > $7::bigint + 1
  ), orphaned as (
    insert into blockmill.orphaned_block (chain, number, hash, generation)
    select $1, block.* from fence, unnest($8::bigint[], $9::text[], $10::bigint[]) as block (number, hash, generation)
    on conflict (chain, hash) do update set generation = excluded.generation, orphaned_at = now()
  )
  select ${HELD}`

/** Keeps the branch in PostgreSQL. */
export function createBranchStore({ sql, chain }: { readonly sql: Sql; readonly chain: string }): BranchStore {
  const extension = ({ blocks, keptFrom }: BranchExtension): unknown[] => [...columns(blocks), keptFrom]

  return {
    async load() {
      const [blocks, orphaned, [finalized]] = await Promise.all([
        sql.query<OrphanedBlock>(LOAD_BLOCKS, [chain]),
        sql.query<OrphanedBlock>(LOAD_ORPHANED, [chain]),
        sql.query<{ number: number; hash: string }>(LOAD_FINALIZED, [chain]),
      ])
      return { blocks, orphaned, finalized }
    },

    scheduledBlocks: (from, to) => sql.query(SCHEDULED_BLOCKS, [chain, from, to]),

    async extend(token, added) {
      await fencedWrite(sql, EXTEND, { chain, token }, extension(added))
    },

    async replace(token, replacement) {
      const { ancestor, orphaned } = replacement
      await fencedWrite(sql, REPLACE, { chain, token }, [...extension(replacement), ancestor, ...columns(orphaned)])
    },
  }
}

function columns(blocks: readonly OrphanedBlock[]): unknown[][] {
  return [
    blocks.map(({ number }) => number),
    blocks.map(({ hash }) => hash),
    blocks.map(({ generation }) => generation),
  ]
}
