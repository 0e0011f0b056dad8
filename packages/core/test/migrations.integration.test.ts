import {
  assertSchemaCurrent,
  createSilentLogger,
  type Database,
  migrate,
  openDatabase,
  revertMigration,
  TASK_STATES,
} from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it } from 'vitest'

const logger = createSilentLogger()
const { url } = testDatabase()

const FIRST_TABLES = [
  'chain',
  'coverage',
  'dead_letter',
  'scheduler_lease',
  'task',
  'task_attempt',
  'task_count',
  'worker',
] as const

let database: Database
beforeAll(() => {
  database = openDatabase({ url, logger })
})
afterAll(() => database.close())

async function tableNames(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = 'blockmill' and table_name <> 'migration' order by table_name`,
  )
  return rows.map(({ name }) => name)
}

/** Everything that makes the schema, whatever the order of columns is. */
async function shape(): Promise<unknown> {
  return database.query(
    `select 'column' as kind, table_name || '.' || column_name as name,
       concat_ws(' ', data_type, is_nullable, column_default) as definition
     from information_schema.columns where table_schema = 'blockmill'
     union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'blockmill'
     union all select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
       from pg_constraint where connamespace = 'blockmill'::regnamespace
     union all select 'function', proname, prosrc from pg_proc where pronamespace = 'blockmill'::regnamespace
     union all select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
       from pg_trigger where not tgisinternal and tgrelid::regclass::text like 'blockmill.%'
     order by 1, 2`,
  )
}

async function contents(): Promise<Record<string, Record<string, unknown>[]>> {
  const all: Record<string, Record<string, unknown>[]> = {}
  for (const table of FIRST_TABLES) {
    const found = await database.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(one) as row from blockmill.${table} as one order by to_jsonb(one)::text`,
    )
    all[table] = found.map(({ row }) => row)
  }
  return all
}

async function revertToFirst(): Promise<void> {
  for (let left = 100; left > 0; left -= 1) {
    const [row] = await database.query<{ count: number }>('select count(*) as count from blockmill.migration')
    if (row?.count === 1) return
    await revertMigration(database, { logger })
  }
  throw new Error('the migrations do not go back to the first')
}

async function addRows(): Promise<void> {
  const at = '2026-01-01T00:00:00Z'
  const statements = [
    `insert into blockmill.chain values ('dev', '0x00', '${at}')`,
    `insert into blockmill.coverage values ('dev', 'a-task', 'hash', 'finalized', '{"n":1}', 7, '{[7,12),[20,30)}', '${at}')`,
    `insert into blockmill.scheduler_lease values ('dev', 'me', 3, '${at}')`,
    `insert into blockmill.worker values ('w', 'host', 7, '["default"]', 4, '${at}', '${at}', 'running', '[]', 100, 1.5)`,
    `insert into blockmill.task
       (id, chain, name, queue, lane, priority, block_number, args, args_hash, cause, status, generation, attempt, postpones,
        scheduled_at, changed_at, finished_at, worker, result, error)
     select ('00000000-0000-8000-8000-00000000000' || place)::uuid, 'dev', 'a-task', 'default', 'normal', 10, place, '{"n":1}',
       'hash', 'live', status, case when place % 2 = 0 then 0 else 5 end, 1, 0, '${at}', '${at}', '${at}', 'w', '{"r":1}',
       '{"name":"Error","message":"no","classes":["Error"]}'
     from unnest(array['${TASK_STATES.join(`','`)}']) with ordinality as one (status, place)`,
    `insert into blockmill.task_attempt
     select id, 0, 1, 0, 'retrying', '${at}', '${at}', 'w', null, 'why', 5 from blockmill.task`,
    `insert into blockmill.dead_letter (id, received_at, queue, reason, type, task_id, headers, body)
     select id, '${at}', 'blockmill.work.default.normal', 'unknown_task', 'blockmill.task.v1', id, '{}', '\\x00ff'
     from blockmill.task`,
  ]
  for (const statement of statements) await database.query(statement)
}

it('take the first schema with data to the present one and back, twice, from several services at once, and lose nothing', async () => {
  await migrate(database, { logger })
  const present = await shape()
  await revertToFirst()
  expect(await tableNames()).toEqual([...FIRST_TABLES])
  const first = await shape()
  await addRows()
  const before = await contents()
  for (const table of FIRST_TABLES) expect(before[table]?.length, table).toBeGreaterThan(0)

  for (let time = 1; time <= 2; time += 1) {
    const services = [1, 2, 3].map(() => openDatabase({ url, logger, poolMax: 1 }))
    try {
      await Promise.all(services.map((service) => migrate(service, { logger })))
      await migrate(database, { logger })
      await assertSchemaCurrent(database)
    } finally {
      await Promise.all(services.map((service) => service.close()))
    }
    expect(await shape()).toEqual(present)
    const after = await contents()
    for (const table of FIRST_TABLES) {
      expect(after[table], table).toEqual(before[table]?.map((row) => expect.objectContaining(row)))
    }
    expect(after['dead_letter']?.every((row) => row['task'] === 'a-task' && row['chain'] === 'dev')).toBe(true)
    expect(after['task']?.map((row) => row['schedule_generation'])).toEqual(
      after['task']?.map((row) => (row['generation'] === 0 ? null : row['generation'])),
    )

    await revertToFirst()
    expect(await shape()).toEqual(first)
    expect(await contents()).toEqual(before)
  }
})

it('go back to nothing and come again, twice', async () => {
  await migrate(database, { logger })
  const present = await shape()
  for (let time = 1; time <= 2; time += 1) {
    await revertMigration(database, { logger, to: 0 })
    expect(await tableNames()).toEqual([])
    await migrate(database, { logger })
    expect(await shape()).toEqual(present)
  }
})
