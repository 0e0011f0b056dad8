import { expect, test } from 'vitest'

import { createFailedLogins } from './failed-logins.ts'

let guesses = 0

function create() {
  let ms = 0
  const logins = createFailedLogins(() => new Date(ms), { max: 3, windowMs: 60_000 })
  const fail = (address: string, times: number) => {
    for (let n = 0; n < times; n += 1) logins.count(address, `guess ${(guesses += 1)}`)
  }
  return { logins, fail, pass: (by: number) => (ms += by) }
}

test('lets an address wait that failed too often, until its minute is over', () => {
  const { logins, fail, pass } = create()
  fail('10.0.0.1', 2)
  expect(logins.retryAfterSeconds('10.0.0.1')).toBeUndefined()
  pass(20_500)
  fail('10.0.0.1', 1)
  expect(logins.retryAfterSeconds('10.0.0.1')).toBe(40)
  expect(logins.retryAfterSeconds('10.0.0.2')).toBeUndefined()
  pass(39_500)
  expect(logins.retryAfterSeconds('10.0.0.1')).toBeUndefined()
  fail('10.0.0.1', 2)
  expect(logins.retryAfterSeconds('10.0.0.1')).toBeUndefined()
})

test('lets no address wait for a client that sends the same wrong token again and again', () => {
  const { logins } = create()
  expect(logins.count('10.0.0.1', 'Bearer old')).toBe(true)
  for (let n = 0; n < 100; n += 1) expect(logins.count('10.0.0.1', 'Bearer old')).toBe(false)
  expect(logins.retryAfterSeconds('10.0.0.1')).toBeUndefined()
})

test.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', true],
  ['2001:db8::1', '2001:db8:0:0:1::', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['fe80::1%eth0', 'fe80::2', true],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.2', false],
])('%s and %s are one network: %s', (one, other, isSame) => {
  const { logins, fail } = create()
  fail(one, 3)
  expect(logins.retryAfterSeconds(other) !== undefined).toBe(isSame)
})

test('forgets the oldest of many addresses instead of growing', () => {
  const { logins, fail } = create()
  fail('10.9.9.9', 3)
  for (let n = 0; n < 10_000; n += 1) fail(`10.0.${n >> 8}.${n & 255}`, 1)
  expect(logins.retryAfterSeconds('10.9.9.9')).toBeUndefined()
})
