import { expect, test } from 'vitest'

import { waitFor } from './wait-for.ts'

const quick = { describe: 'the answer', timeoutMs: 30, intervalMs: 1 }

test('looks until there is something, and returns it', async () => {
  const answers = [undefined, 0, '', false, null, 42]
  expect(await waitFor(() => answers.shift(), { ...quick, timeoutMs: 5_000 })).toBe(42)
  expect(answers).toEqual([])
})

test('takes a look that throws for "not yet"', async () => {
  let looks = 0
  const look = async () => {
    looks += 1
    if (looks < 3) throw new Error('not there')
    return 'there'
  }
  expect(await waitFor(look, { ...quick, timeoutMs: 5_000 })).toBe('there')
})

test('looks once even when there is no time at all', async () => {
  expect(await waitFor(() => true, { ...quick, timeoutMs: 0 })).toBe(true)
})

test('says what was waited for, how long, and what was seen last', async () => {
  await expect(waitFor(() => 0, quick)).rejects.toThrow('Waited 30 ms for the answer. The last look returned 0.')
})

test('gives what the last look threw as the cause', async () => {
  const cause = new Error('connection refused')
  await expect(waitFor(() => Promise.reject(cause), quick)).rejects.toMatchObject({
    message: 'Waited 30 ms for the answer. The last look failed: connection refused.',
    cause,
  })
})
