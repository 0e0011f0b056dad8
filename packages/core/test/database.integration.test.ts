import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  assertSchemaCurrent,
  ChainEntity,
  CoverageEntity,
  createSilentLogger,
  type Database,
  type DatabaseOptions,
  migrate,
  openDatabase,
  revertMigration,
  TASK_STATES,
  TaskEntity,
  waitForDatabase,
} from '@blockmill/core'
import { sharedServices, testDatabase } from '@blockmill/testkit/vitest'

const logger = createSilentLogger()

const opened: Database[] = []
afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())))

function open(url: string, options: Partial<DatabaseOptions> = {}): Database {
  const database = openDatabase({ url, logger, ...options })
  opened.push(database)
  return database
}

function tableNames(database: Database): Promise<{ name: string }[]> {
  return database.query(`select table_name as name from information_schema.tables where table_schema = 'blockmill'`)
}

describe('migrations', () => {
  const { url } = testDatabase()
  beforeEach(() => open(url).query('drop schema if exists blockmill cascade'))

  it('create the schema from nothing, change nothing when run again, and take it back to nothing', async () => {
    const database = open(url)
    await expect(assertSchemaCurrent(database)).rejects.toMatchObject({ code: 'DATABASE_SCHEMA_OUTDATED' })
    expect(await tableNames(database)).toEqual([])

    await migrate(database, { logger })
    const tables = await tableNames(database)
    expect(tables.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'task',
        'coverage',
        'worker',
        'dead_letter',
        'unique_task',
        'queue_state',
        'cancel_request',
      ]),
    )
    await database.query(`insert into blockmill.chain (id, genesis_hash) values ('dev', '0x00')`)
    await migrate(database, { logger })
    await assertSchemaCurrent(database)
    expect(await database.em().count(ChainEntity)).toBe(1)

    await revertMigration(database, { logger, to: 0 })
    expect(await tableNames(database)).toEqual([{ name: 'migration' }])
    expect(await database.query(`select 1 from pg_proc where pronamespace = 'blockmill'::regnamespace`)).toEqual([])
    await migrate(database, { logger })
    await assertSchemaCurrent(database)
    await revertMigration(database, { logger, to: 0 })
  })

  it('run once when several services start at the same time, even with one connection each', async () => {
    const databases = [1, 2, 3, 4].map(() => open(url, { poolMax: 1 }))
    await Promise.all(databases.map((database) => migrate(database, { logger })))
    const [first] = databases
    expect(await first?.query('select name from blockmill.migration order by id')).toEqual([
      { name: '0001-initial-schema' },
      { name: '0002-unique-tasks' },
      { name: '0003-control-state' },
      { name: '0004-chain-heads' },
      { name: '0005-backfills' },
      { name: '0006-gap-indexes' },
      { name: '0007-task-deadlines' },
      { name: '0008-schedule-generations' },
      { name: '0009-audit' },
      { name: '0010-finish-index' },
      { name: '0011-dead-letter-tasks' },
      { name: '0012-failure-fingerprints' },
      { name: '0013-range-jobs' },
      { name: '0014-task-retention' },
      { name: '0015-list-indexes' },
      { name: '0016-task-rates' },
      { name: '0017-end-cancelled' },
      { name: '0018-failure-index' },
    ])
  })

  it('refuse a database that a newer version has migrated', async () => {
    const database = open(url)
    await migrate(database, { logger })
    await database.query(`insert into blockmill.migration (name) values ('9999-from-the-future')`)
    const refusal = { code: 'DATABASE_SCHEMA_OUTDATED', message: expect.stringContaining('9999-from-the-future') }
    await expect(migrate(database, { logger })).rejects.toMatchObject(refusal)
    await expect(assertSchemaCurrent(database)).rejects.toMatchObject(refusal)
  })
})

describe('the schema', () => {
  const { url } = testDatabase({ migrate: migrateTemplate })

  it('allows exactly the states of core', async () => {
    const database = open(url)
    const insert = (id: number, status: string): Promise<unknown[]> =>
      database.query(
        `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at)
         values ($1, 'dev', 't', $2, 1, 0, now())`,
        [`00000000-0000-8000-8000-00000000000${id}`, status],
      )
    for (const [index, status] of TASK_STATES.entries()) await insert(index, status)
    await expect(insert(9, 'lost')).rejects.toMatchObject({ code: '23514' })
    expect(await database.em().count(TaskEntity)).toBe(TASK_STATES.length)
  })

  it('has a table for each entity, with its columns', async () => {
    const database = open(url)
    for (const meta of database.orm.getMetadata().getAll().values()) {
      expect(await database.em().find(meta.class, {}, { limit: 1 })).toBeInstanceOf(Array)
    }
  })

  it('counts tasks by status in the transaction that changes them', async () => {
    const database = open(url)
    const totals = (): Promise<unknown> =>
      database.query(
        `select status, sum(count)::int as count from blockmill.task_count where name = 'counted'
         group by status having sum(count) <> 0 order by status`,
      )
    const insert = `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at)
      select gen_random_uuid(), 'dev', 'counted', 'scheduled', 1, 0, now() from generate_series(1, 10)`
    await database.query(insert)
    await database
      .withTransaction(async (query) => {
        await query(insert)
        throw new Error('crash')
      })
      .catch(() => undefined)
    await database.query(
      `update blockmill.task set status = 'succeeded' where id in (select id from blockmill.task where name = 'counted' limit 4)`,
    )
    expect(await totals()).toEqual([
      { status: 'scheduled', count: 6 },
      { status: 'succeeded', count: 4 },
    ])
    await database.query(`delete from blockmill.task where name = 'counted' and status = 'succeeded'`)
    expect(await totals()).toEqual([{ status: 'scheduled', count: 6 }])
  })

  it('updates thousands of tasks quickly on a connection that has updated single ones before', async () => {
    const database = open(url, { poolMax: 1 })
    await database.query(
      `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at)
       select gen_random_uuid(), 'dev', 'many', 'running', 1, 0, now() from generate_series(1, 20000)`,
    )
    const update = (count: number) =>
      database.query(
        `update blockmill.task set changed_at = now()
         where id in (select id from blockmill.task where name = 'many' limit ${count})`,
      )
    for (let time = 0; time < 8; time += 1) await update(1)
    // It takes about a second; comparing every row with every other took 100.
    await database.query(`set statement_timeout = '60s'`)
    await update(20_000)
  })

  it('keeps coverage as ranges that can be added to', async () => {
    const database = open(url)
    const em = database.em()
    em.create(CoverageEntity, {
      chain: 'dev',
      task: 't',
      argsHash: 'a',
      head: 'finalized',
      args: { netuid: 1 },
      startBlock: 10,
    })
    await em.flush()
    for (const range of ['{[10,12)}', '{[13,15)}', '{[12,13)}']) {
      await database.query(`update blockmill.coverage set evaluated = evaluated + $1::int8multirange`, [range])
    }
    const row = await database.em().findOneOrFail(CoverageEntity, { chain: 'dev', task: 't' })
    expect(row).toMatchObject({ evaluated: '{[10,15)}', startBlock: 10, args: { netuid: 1 } })
  })
})

describe('a database', () => {
  const { url } = testDatabase({ migrate: migrateTemplate })

  it('reads bigint as number and timestamptz as Date', async () => {
    const [row] = await open(url).query(
      `select 9007199254740991::bigint as big, '2026-01-02T03:04:05.678Z'::timestamptz as time, '{"a":1}'::jsonb as json`,
    )
    expect(row).toEqual({ big: 9007199254740991, time: new Date('2026-01-02T03:04:05.678Z'), json: { a: 1 } })
  })

  it('rolls a transaction back when its work rejects, and goes on with the same pool', async () => {
    const database = open(url, { poolMax: 1 })
    const work = database.withTransaction(async (query) => {
      await query(`insert into blockmill.chain (id, genesis_hash) values ('gone', '0x')`)
      await query('select nonsense')
    })
    await expect(work).rejects.toMatchObject({ code: '42703' })
    expect(await database.em().count(ChainEntity, { id: 'gone' })).toBe(0)
  })

  it('opens new connections after all were cut', async () => {
    const database = open(url, { applicationName: 'cut-me' })
    const cut = () =>
      open(url).query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut-me'`)
    const waiting = database.query('select pg_sleep(20)')
    await Promise.all([expect(waiting).rejects.toThrow(/terminat/), untilTrue(async () => (await cut()).length > 0)])
    await untilTrue(() => database.isHealthy())
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('refuses statements once it is closed, instead of opening connections that nobody closes', async () => {
    const database = open(url)
    await database.query('select 1')
    await Promise.all([database.close(), database.close()])
    await expect(database.query('select 1')).rejects.toThrow('closed')
    expect(await database.isHealthy()).toBe(false)
  })
})

describe('waiting for a database', () => {
  const { databaseUrl } = sharedServices()
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(databaseUrl)
    change(url)
    return url.href
  }

  it('names a database that does not exist at once', async () => {
    const database = open(changed((url) => (url.pathname = '/blockmill_nowhere')))
    await expect(waitForDatabase(database, { logger })).rejects.toMatchObject({
      kind: 'configuration',
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('blockmill_nowhere'),
    })
  })

  it('tries again while nothing listens, one line each, and stops when told to', async () => {
    const lines: string[] = []
    const stop = new AbortController()
    const waiting = waitForDatabase(open('postgresql://me:secret@127.0.0.1:1/blockmill'), {
      logger: {
        ...logger,
        warn: (fields: object) => {
          lines.push(JSON.stringify(fields))
          if (lines.length === 2) stop.abort()
        },
      } as typeof logger,
      signal: stop.signal,
    })
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('127.0.0.1:1')
    expect(lines.join('')).not.toContain('secret')
  })

  it('refuses what is no PostgreSQL URL', () => {
    expect(() => open('mysql://me:secret@host/x')).toThrow(/DATABASE_URL is mysql:\/\/…@host/)
    expect(() => open('localhost')).toThrow(/postgresql:\/\/user:password@host/)
    expect(() => open('postgres:secret@127.0.0.1:5432/x')).toThrow(/^(?!.*secret)DATABASE_URL is/)
  })
})

async function migrateTemplate(url: string): Promise<void> {
  const database = openDatabase({ url, logger })
  try {
    await migrate(database, { logger })
  } finally {
    await database.close()
  }
}

async function untilTrue(look: () => Promise<boolean>): Promise<void> {
  await expect.poll(look).toBe(true)
}
