import { expect, test } from 'vitest'

import { parseSetting, setting } from './setting.ts'

const interval = setting.duration({
  key: 'BLOCKMILL_POLL_INTERVAL',
  description: 'how often the head is asked for',
  default: '1s',
  min: '1s',
  max: '1h',
  plainNumber: 'seconds',
})
const backoff = setting.duration({
  key: 'BLOCKMILL_RETRY_BACKOFF',
  description: 'base of the back-off',
  min: '1m',
  max: '60m',
  plainNumber: 'minutes',
})
const address = setting.url({
  key: 'DATABASE_URL',
  description: 'the database',
  protocols: ['postgres:', 'postgresql:'],
  example: 'postgresql://user:password@host/db',
})

test.each([
  ['1', 1_000],
  ['3600', 3_600_000],
  ['1.5', 1_500],
  ['5s', 5_000],
  ['2m', 120_000],
  ['1500ms', 1_500],
])('reads the poll interval %j as %j ms', (text, expected) => {
  expect(parseSetting(interval, text)).toEqual({ value: expected })
})

test.each(['0', '0.5', '999ms', '3601', '2h', '-1', 'soon', '5 parsecs', '1e3', 'NaN', 'Infinity'])(
  'refuses the poll interval %j',
  (text) => {
    expect(parseSetting(interval, text)).toEqual({
      problem: `is ${JSON.stringify(text)}; it must be a duration from 1s to 1h, such as 500ms, 5s or 2m; a plain number counts seconds.`,
    })
  },
)

test('counts a plain number in minutes where older settings did', () => {
  expect(parseSetting(backoff, '60')).toEqual({ value: 3_600_000 })
  expect(parseSetting(backoff, '61')).toHaveProperty('problem')
})

test.each(['', '1.0', '0x10', '1e1', ' 5', '٣', '9007199254740993'])('refuses the whole number %j', (text) => {
  const port = setting.integer({ key: 'PORT', description: 'port', min: 0, max: 65_535 })
  expect(parseSetting(port, text)).toHaveProperty('problem')
})

test('reads lists without blanks, doubles and empty items', () => {
  const queues = setting.list({ key: 'Q', description: 'queues', rule: 'names' })
  expect(parseSetting(queues, ' a, b,a,,')).toEqual({ value: ['a', 'b'] })
  expect(parseSetting(queues, ' , ')).toHaveProperty('problem')
})

test('reads yes and no, and nothing in between', () => {
  const flag = setting.boolean({ key: 'F', description: 'flag' })
  expect(parseSetting(flag, 'TRUE')).toEqual({ value: true })
  expect(parseSetting(flag, '0')).toEqual({ value: false })
  expect(parseSetting(flag, 'maybe')).toHaveProperty('problem')
})

test.each([
  'postgres://me:secret@127.0.0.1:5432/x',
  'postgresql://db/x?sslmode=require',
  'postgresql:///x?host=/var/run/postgresql',
  'POSTGRES://db/x',
])('reads the address %j', (text) => {
  expect(parseSetting(address, text)).toEqual({ value: text })
})

test.each([
  'postgres:secret@127.0.0.1:5432/x',
  'postgres:/secret@127.0.0.1:5432/x',
  'postgres:///x',
  'postgres:///x?host=',
  'postgres://',
  'mysql://me:secret@db/x',
  '127.0.0.1:5432/x',
  '',
])('refuses the address %j, which says not where to connect to, without telling its password', (text) => {
  const parsed = parseSetting(address, text)
  expect(parsed).toEqual({ problem: expect.stringContaining('postgresql://user:password@host/db') as string })
  expect(JSON.stringify(parsed)).not.toContain('secret')
})
