import { getEventListeners } from 'node:events'

import { expect, test } from 'vitest'

import { unlessAborted } from './unless-aborted.ts'

const why = new Error('stopped')

test('gives what the work gives, and leaves nothing at the signal', async () => {
  const { signal } = new AbortController()
  expect(await unlessAborted(Promise.resolve(3), signal)).toBe(3)
  await expect(unlessAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed')
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('ends with the reason of the signal, and does not mind what becomes of the work', async () => {
  const abort = new AbortController()
  const work = Promise.withResolvers<number>()
  const result = unlessAborted(work.promise, abort.signal)
  abort.abort(why)
  await expect(result).rejects.toBe(why)
  work.reject(new Error('failed later'))
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])
})

test('does not wait at all once the signal is aborted', async () => {
  await expect(unlessAborted(new Promise(() => undefined), AbortSignal.abort(why))).rejects.toBe(why)
})
