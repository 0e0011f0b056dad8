import { createSilentLogger, type Database, migrate, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url } = testDatabase()
const environment = { DATABASE_URL: url }
const DAY_MS = 86_400_000

let database: Database
beforeAll(async () => {
  database = openDatabase({ url, logger })
  await migrate(database, { logger })
  await database.query(
    `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at, finished_at)
     select gen_random_uuid(), 'dev', 'old', status, 1, 0, now() - age * interval '1 day',
       case when status <> 'running' then now() - age * interval '1 day' end
     from unnest(array['succeeded', 'failed', 'running']) status, unnest(array[6, 8, 40]) age`,
  )
})
afterAll(() => database.close())

async function tasks(): Promise<number> {
  const [row] = await database.query<{ count: number }>('select count(*) as count from blockmill.task')
  return row?.count ?? 0
}

it('counts with --dry-run, deletes what finished more than 7 days ago, and tells how many and the cutoff', async () => {
  const counted = await runHere(['cleanup', '--dry-run', '--json'], environment)
  expect(JSON.parse(counted.stdout)).toMatchObject({ deletedCount: 4 })
  expect(await tasks()).toBe(9)

  const older = await runHere(['cleanup', '--days', '30'], environment)
  expect(older.stdout).toMatch(/^Deleted 2 tasks that finished before 2\S+Z\.\n$/)

  const began = Date.now()
  const { status, stdout } = await runHere(['cleanup', '--days', '7', '--json'], environment)
  const ended = Date.now()
  expect(status).toBe(0)
  const answer: unknown = JSON.parse(stdout)
  expect(answer).toEqual({ deletedCount: 2, cutoff: expect.any(String) })
  const cutoff = Date.parse((answer as { cutoff: string }).cutoff) + 7 * DAY_MS
  expect(cutoff).toBeGreaterThanOrEqual(began)
  expect(cutoff).toBeLessThanOrEqual(ended)
  expect(await tasks()).toBe(5)
})

it.each(['0', '36501'])('refuses %s days', async (days) => {
  const { status, stderr } = await runHere(['cleanup', `--days=${days}`], environment)
  expect(status).toBe(2)
  expect(stderr).toContain('whole number of days from 1 to 36500')
})
