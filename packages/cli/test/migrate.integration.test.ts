import { testDatabase } from '@blockmill/testkit/vitest'
import { expect, test } from 'vitest'

import { blockmill } from './blockmill.ts'

const { url } = testDatabase()

test('migrate brings an empty database up to date, and may be run again', async () => {
  const environment = { DATABASE_URL: url }
  const first = await blockmill(['migrate'], { environment })
  expect(first.stderr).toBe('')
  expect(first.status).toBe(0)
  expect(first.stdout).toContain('database migrated')
  const second = await blockmill(['migrate'], { environment })
  expect(second.status).toBe(0)
  expect(second.stdout).not.toContain('database migrated')
})

test('migrate tells wrong credentials in one line and ends with status 1', async () => {
  const wrong = new URL(url)
  wrong.username = 'nobody-known'
  wrong.password = 'not-to-be-shown'
  const { status, stderr } = await blockmill(['migrate', '--database-url', wrong.href])
  expect(status).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stderr).toContain('nobody-known')
  expect(stderr).not.toContain(wrong.password)
})
