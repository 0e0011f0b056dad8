import { expect, test } from 'vitest'

import { shareInFlight } from './share-in-flight.ts'

test('looks once for all who ask at the same time, and again for those who ask later', async () => {
  let looks = 0
  const look = shareInFlight(() => (looks += 1))
  expect(await Promise.all([look(), look(), look()])).toEqual([1, 1, 1])
  expect(await look()).toBe(2)
})

test('looks again after a failure', async () => {
  const answers = [() => Promise.reject(new Error('away')), () => 'back']
  const look = shareInFlight(() => answers.shift()?.())
  await expect(look()).rejects.toThrow('away')
  expect(await look()).toBe('back')
})
