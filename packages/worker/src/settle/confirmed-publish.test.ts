import { createSilentLogger, type OutgoingMessage, type Publisher } from '@blockmill/core'
import { expect, it, vi } from 'vitest'
import { createConfirmedPublish } from './confirmed-publish.ts'

const message: OutgoingMessage = { exchange: 'e', routingKey: 'k', body: Buffer.from('{}'), type: 't' }

function setUp(publish: Publisher['publish'], retryMs = 1) {
  const stop = new AbortController()
  const publisher: Publisher = { publish, drained: () => Promise.resolve(), pending: 0 }
  return {
    stop,
    publishConfirmed: createConfirmedPublish({ publisher, logger: createSilentLogger(), signal: stop.signal, retryMs }),
  }
}

it('publishes the same message again until the broker takes it, after preparing anew each time', async () => {
  const publish = vi
    .fn<Publisher['publish']>()
    .mockRejectedValueOnce(new Error('no queue takes it'))
    .mockRejectedValueOnce(new Error('the queue is full'))
    .mockResolvedValueOnce()
  const prepare = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('not declared')).mockResolvedValue()
  await setUp(publish).publishConfirmed(message, prepare)
  expect(publish.mock.calls).toEqual([[message], [message], [message]])
  expect(prepare).toHaveBeenCalledTimes(4)
})

it('gives up when the worker stops, also in the middle of a pause', async () => {
  const { stop, publishConfirmed } = setUp(() => Promise.reject(new Error('the queue is full')), 60_000)
  const published = publishConfirmed(message)
  setImmediate(() => stop.abort())
  await expect(published).rejects.toThrow(/abort/i)
  await expect(publishConfirmed(message)).rejects.toThrow(/abort/i)
})
