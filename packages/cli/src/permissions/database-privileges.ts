import type { ServiceRole } from './service-role.ts'

/** Roles with an account in the database. Workers and producers need none: they know the broker alone. */
export const DATABASE_ROLES = ['scheduler', 'monitor', 'operator'] as const satisfies readonly ServiceRole[]
export type DatabaseRole = (typeof DATABASE_ROLES)[number]

/**
 * `r` select, `a` insert, `w` update, `d` delete: the letters of PostgreSQL's own lists of privileges. `l` is to lock rows, which it
 * ties to the right to update something: here a column of `task` that is shown and decides nothing. `o` is to add the outcome to
 * an entry of the audit log.
 */
const LETTERS = {
  r: 'select',
  a: 'insert',
  w: 'update',
  d: 'delete',
  l: 'update (progress_at)',
  o: 'update (status)',
} as const

/** What may be done with one table, as `grant` takes it. */
export type Privilege = (typeof LETTERS)[keyof typeof LETTERS]

/**
 * What each role may do with each table of the schema; an empty text is nothing. The owner, who runs `blockmill migrate`, may do
 * everything. Every table must stand here: a test compares with the schema.
 *
 * Triggers of `task` write to `task_attempt` and `task_count` in the name of whoever writes to `task`.
 */
const TABLES = {
  // Chain, coverage and lease: what the scheduler alone writes.
  chain: { scheduler: 'raw', monitor: 'r', operator: 'r' },
  coverage: { scheduler: 'raw', monitor: 'r', operator: 'r' },
  scheduler_lease: { scheduler: 'raw', monitor: 'r', operator: 'r' },
  recent_block: { scheduler: 'rawd', monitor: '', operator: '' },
  orphaned_block: { scheduler: 'rawd', monitor: '', operator: '' },

  // The record: what the monitor alone writes, but for what operators clean up.
  task: { scheduler: 'r', monitor: 'rawd', operator: 'rdl' },
  task_attempt: { scheduler: 'r', monitor: 'rawd', operator: 'rd' },
  task_count: { scheduler: '', monitor: 'rawd', operator: 'ra' },
  task_rate: { scheduler: '', monitor: 'rawd', operator: '' },
  task_retention: { scheduler: 'rawd', monitor: 'r', operator: 'r' },
  worker: { scheduler: 'r', monitor: 'rawd', operator: 'r' },
  dead_letter: { scheduler: '', monitor: 'rawd', operator: 'rwd' },
  audit: { scheduler: '', monitor: 'rawd', operator: 'rao' },

  // Orders, and what is claimed by them.
  queue_state: { scheduler: 'r', monitor: 'raw', operator: 'r' },
  cancel_request: { scheduler: 'r', monitor: 'rawd', operator: 'raw' },
  unique_task: { scheduler: 'r', monitor: 'rawd', operator: 'rawd' },
  backfill: { scheduler: 'rw', monitor: 'raw', operator: 'raw' },
  backfill_part: { scheduler: 'raw', monitor: 'r', operator: 'r' },

  // Range jobs: their batches are planned by the scheduler, their rows stored by the monitor.
  range_job: { scheduler: 'rw', monitor: 'rawd', operator: 'rawd' },
  range_batch: { scheduler: 'raw', monitor: 'rwd', operator: 'rwd' },
  range_result: { scheduler: 'r', monitor: 'rawd', operator: 'rd' },

  // Which migrations there were.
  migration: { scheduler: 'r', monitor: 'r', operator: 'r' },
} as const satisfies Readonly<Record<string, Readonly<Record<DatabaseRole, string>>>>

/** Functions that act with the rights of the owner, and who may call them; nobody else can. */
const FUNCTIONS = {
  end_cancelled: ['monitor', 'operator'],
} as const satisfies Readonly<Record<string, readonly DatabaseRole[]>>

/** The functions that a role may call. */
export function databaseFunctions(role: DatabaseRole): string[] {
  return Object.entries(FUNCTIONS).flatMap(([name, roles]: [string, readonly DatabaseRole[]]) =>
    roles.includes(role) ? [name] : [],
  )
}

/** The privileges of a role, by table; tables without any are left out. */
export function databasePrivileges(role: DatabaseRole): ReadonlyMap<string, readonly Privilege[]> {
  const entries = Object.entries(TABLES).map(([table, byRole]): [string, Privilege[]] => [
    table,
    byRole[role].split('').map((letter) => LETTERS[letter as keyof typeof LETTERS]),
  ])
  return new Map(entries.filter(([, privileges]) => privileges.length > 0))
}

/** Every table that privileges are given on, or kept from. */
export const DATABASE_TABLES: readonly string[] = Object.keys(TABLES)
