import { argsHash, type Database, type JsonObject } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createCoverageStore, type CoverageStore } from '../src/coverage/coverage-store.ts'
import { createSql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'

const { url } = migratedDatabase()
let database: Database
let store: CoverageStore

beforeAll(() => {
  database = open(url)
  store = createCoverageStore({ sql: createSql(database), chain: 'dev' })
})
afterAll(() => database.close())
beforeEach(async () => {
  await database.query('truncate blockmill.coverage, blockmill.scheduler_lease')
  await setToken(7)
})

const key = (task: string, args: JsonObject = {}) => ({ task, argsHash: argsHash(args), head: 'finalized' as const })
const fresh = (task: string, startBlock: number, args: JsonObject = {}) => ({ ...key(task, args), args, startBlock })

async function setToken(token: number): Promise<void> {
  await database.query(
    `insert into blockmill.scheduler_lease (chain, holder, token, expires_at) values ('dev', 'test', $1, now())
     on conflict (chain) do update set token = excluded.token`,
    [token],
  )
}

describe('the coverage store', () => {
  it('gives back what was registered, with nothing evaluated', async () => {
    await store.register(7, [fresh('a', 100), fresh('a', 90, { netuid: 3 })])
    const loaded = await store.load()
    expect(loaded).toHaveLength(2)
    expect(loaded).toContainEqual({ ...fresh('a', 90, { netuid: 3 }), evaluated: [] })
  })

  it('adds ranges of many tasks at once, and joins those that touch', async () => {
    await store.register(7, [fresh('a', 100), fresh('b', 100)])
    await store.add(7, [
      { ...fresh('a', 100), range: { from: 100, to: 104 } },
      { ...fresh('a', 100), range: { from: 105, to: 105 } },
      { ...fresh('b', 100), range: { from: 100, to: 100 } },
      { ...fresh('b', 100), range: { from: 110, to: 111 } },
    ])
    await store.add(7, [{ ...fresh('a', 100), range: { from: 50, to: 60 } }])
    const evaluated = Object.fromEntries((await store.load()).map(({ task, evaluated: blocks }) => [task, blocks]))
    expect(evaluated).toEqual({
      a: [
        { from: 50, to: 60 },
        { from: 100, to: 105 },
      ],
      b: [
        { from: 100, to: 100 },
        { from: 110, to: 111 },
      ],
    })
  })

  it('keeps what is evaluated when a start block changes', async () => {
    await store.register(7, [fresh('a', 100)])
    await store.add(7, [{ ...fresh('a', 100), range: { from: 100, to: 104 } }])
    await store.register(7, [fresh('a', 90)])
    await store.add(7, [{ ...fresh('a', 100), range: { from: 105, to: 106 } }])
    expect(await store.load()).toEqual([{ ...fresh('a', 90), evaluated: [{ from: 100, to: 106 }] }])
  })

  it('puts a row that has gone back on record, with no more than what was evaluated since', async () => {
    await store.register(7, [fresh('a', 100)])
    await store.add(7, [{ ...fresh('a', 100), range: { from: 100, to: 104 } }])
    await database.query('truncate blockmill.coverage')
    await store.add(7, [{ ...fresh('a', 100), range: { from: 105, to: 106 } }])
    expect(await store.load()).toEqual([{ ...fresh('a', 100), evaluated: [{ from: 105, to: 106 }] }])
  })

  it('keeps chains and heads apart', async () => {
    await store.register(7, [fresh('a', 100), { ...fresh('a', 200), head: 'latest' }])
    await store.add(7, [{ ...fresh('a', 200), head: 'latest', range: { from: 200, to: 201 } }])
    const loaded = await store.load()
    expect(loaded.find(({ head }) => head === 'finalized')?.evaluated).toEqual([])
    expect(await createCoverageStore({ sql: createSql(database), chain: 'other' }).load()).toEqual([])
  })

  it('takes block numbers up to 2^53', async () => {
    const block = Number.MAX_SAFE_INTEGER - 1
    await store.register(7, [fresh('a', block)])
    await store.add(7, [{ ...fresh('a', block), range: { from: block, to: block } }])
    expect(await store.load()).toEqual([{ ...fresh('a', block), evaluated: [{ from: block, to: block }] }])
  })

  it('refuses all writes with a token that is not the current one, and changes nothing', async () => {
    await store.register(7, [fresh('a', 100)])
    await setToken(8)
    const late = { code: 'SCHEDULER_LEASE_LOST', message: expect.stringContaining("chain 'dev'") }
    await expect(store.add(7, [{ ...fresh('a', 100), range: { from: 100, to: 100 } }])).rejects.toMatchObject(late)
    await expect(store.register(7, [fresh('b', 100)])).rejects.toMatchObject(late)
    expect(await store.load()).toEqual([{ ...fresh('a', 100), evaluated: [] }])
  })

  it('lets a take-over wait for a write that is under way, and refuses the write that comes after it', async () => {
    await store.register(7, [fresh('a', 100)])
    const write = (from: number) => store.add(7, [{ ...fresh('a', 100), range: { from, to: from } }])
    const isBlocked = async () => {
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return (await database.query(waiting)).length > 0
    }
    // The take-over holds the lease's row: the write must wait, and then see the new token.
    const refused = await database.withTransaction(async (query) => {
      await query(`update blockmill.scheduler_lease set token = 8 where chain = 'dev'`)
      const writing = write(100).then(
        () => 'written',
        (error: { code: string }) => error.code,
      )
      await waitFor(isBlocked, { describe: 'the write to wait' })
      return { writing }
    })
    expect(await refused.writing).toBe('SCHEDULER_LEASE_LOST')
    expect((await store.load())[0]?.evaluated).toEqual([])
  })

  it('says that the database is away in a way that is tried again', async () => {
    const away = open('postgresql://nobody@127.0.0.1:1/none')
    const storeAway = createCoverageStore({ sql: createSql(away), chain: 'dev' })
    await expect(storeAway.load()).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE', kind: 'retryable' })
    await away.close()
  })

  it('writes a block of a hundred tasks in one statement, which takes less time than a hundred', async () => {
    const tasks = Array.from({ length: 100 }, (_, index) => `task-${index}`)
    await store.register(
      7,
      tasks.map((task) => fresh(task, 1)),
    )
    const query = vi.spyOn(database, 'query')
    onTestFinished(() => query.mockRestore())
    const write = async (block: number, some: readonly string[]) => {
      const start = performance.now()
      await store.add(
        7,
        some.map((task) => ({ ...fresh(task, 1), range: { from: block, to: block } })),
      )
      return performance.now() - start
    }
    const together: number[] = []
    let oneByOne = 0
    for (let block = 1; block <= 50; block += 1) together.push(await write(block, tasks))
    expect(query).toHaveBeenCalledTimes(50)
    for (const task of tasks) oneByOne += await write(51, [task])
    expect(together.sort((a, b) => a - b)[25]).toBeLessThan(oneByOne / 2)
  })
})
