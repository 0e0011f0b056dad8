import { createSilentLogger, migrate, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { beforeAll, expect, it } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url } = testDatabase()
const environment = { DATABASE_URL: url }

beforeAll(async () => {
  const database = openDatabase({ url, logger })
  await migrate(database, { logger })
  await database.query(
    `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at, fingerprint, error)
     select gen_random_uuid(), 'dev', name, status, 1, 0, time, fingerprint, jsonb_build_object('name', 'GoneError', 'message', message)
     from (values
       ('a', 'failed', timestamptz '2026-01-01T00:00:01Z', '00000000000000aa', 'block 1 is gone'),
       ('a', 'retrying', '2026-01-01T00:00:02Z', '00000000000000aa', 'block 2 is gone'),
       ('b', 'dead', '2026-01-01T00:00:03Z', '00000000000000bb', 'never')
     ) as one (name, status, time, fingerprint, message)`,
  )
  await database.close()
})

const failures = (...args: readonly string[]) => runHere(['failures', ...args], environment)

it('shows failures in groups, the latest first', async () => {
  const { status, stdout } = await failures()
  expect(status).toBe(0)
  const [, , ...rows] = stdout.trim().split('\n')
  expect(rows).toEqual([
    expect.stringMatching(/^00000000000000bb +b +1 +0 .* GoneError: never$/),
    expect.stringMatching(/^00000000000000aa +a +2 +1 .* GoneError: block <n> is gone$/),
  ])
  const { stdout: json } = await failures('--task', 'a', '--json')
  expect(JSON.parse(json)).toEqual([
    expect.objectContaining({ fingerprint: '00000000000000aa', count: 2, retrying: 1 }),
  ])
  expect((await failures('--since', '2026-01-02')).stdout).toBe('No task has failed.\n')
  expect(await failures('--since', 'yesterday')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('time such as'),
  })
})
