import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { attach, message, publishAll, setUp } from '../../test/scripted-channel.ts'

/** Lets continuations of promises run. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  expect(left).toBe(0)
})

describe('ConfirmPublisher', () => {
  it('sends as many as the window holds, and the next one for each that is confirmed', async () => {
    const { publisher } = setUp({ window: 3 })
    const channel = attach(publisher)
    const outcomes = publishAll(publisher, 'a', 'b', 'c', 'd', 'e')
    expect(channel.sent).toEqual(['a', 'b', 'c'])
    expect(publisher.pending).toBe(5)

    channel.ack(2)
    await settled()
    expect(outcomes).toEqual({ b: 'confirmed' })
    expect(channel.sent).toEqual(['a', 'b', 'c', 'd'])

    channel.ack(4, true)
    channel.ack(5)
    await publisher.stop(1_000)
    expect(outcomes).toEqual({ a: 'confirmed', b: 'confirmed', c: 'confirmed', d: 'confirmed', e: 'confirmed' })
    expect(publisher).toMatchObject({ pending: 0, confirmed: 5, failed: 0 })
  })

  it('publishes persistent JSON with the type, id and headers it was given', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    const published = publisher.publish(message('a', { headers: { 'x-one': 1 } }))
    expect(channel.options).toEqual([
      {
        persistent: true,
        contentType: 'application/json',
        type: 'test',
        messageId: 'a',
        headers: { 'x-one': 1 },
      },
    ])
    channel.ack(1)
    await published
    await publisher.stop(0)
  })

  it('publishes again on the next channel what the lost one had not confirmed, first and in order', async () => {
    const { publisher } = setUp({ window: 3 })
    const first = attach(publisher)
    const outcomes = publishAll(publisher, 'a', 'b', 'c', 'd', 'e')
    first.ack(2)
    first.emit('close')
    publishAll(publisher, 'f')
    expect(publisher.pending).toBe(5)

    const second = attach(publisher)
    expect(second.sent).toEqual(['a', 'c', 'd'])
    second.ack(3, true)
    second.ack(5, true)
    await publisher.stop(0)
    expect(second.sent).toEqual(['a', 'c', 'd', 'e', 'f'])
    expect(Object.values(outcomes)).toEqual(Array.from({ length: 5 }, () => 'confirmed'))
  })

  it('ignores what a lost channel still says', async () => {
    const { publisher } = setUp()
    const first = attach(publisher)
    const outcomes = publishAll(publisher, 'a')
    first.emit('close')
    const second = attach(publisher)
    first.emit('close')
    first.ack(1)
    await settled()
    expect(outcomes).toEqual({})
    second.ack(1)
    await publisher.stop(0)
    expect(outcomes).toEqual({ a: 'confirmed' })
  })

  it('waits while the library’s write buffer is full', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    channel.isWritable = false
    publishAll(publisher, 'a', 'b')
    expect(channel.sent).toEqual(['a'])
    channel.isWritable = true
    channel.emit('drain')
    expect(channel.sent).toEqual(['a', 'b'])
    channel.ack(2, true)
    await publisher.stop(0)
  })

  it('waits while the broker has blocked publishing, and does not take that for a missing confirm', async () => {
    const { publisher, broken } = setUp({ confirmTimeoutMs: 1_000 })
    const channel = attach(publisher)
    publishAll(publisher, 'a')
    publisher.setBlocked(true)
    publishAll(publisher, 'b')
    await vi.advanceTimersByTimeAsync(10_500)
    expect(channel.sent).toEqual(['a'])

    publisher.setBlocked(false)
    expect(channel.sent).toEqual(['a', 'b'])
    await vi.advanceTimersByTimeAsync(999)
    expect(broken).toEqual([])
    channel.ack(2, true)
    await publisher.stop(0)
  })

  it('gives the channel up when a confirm does not come in time, and publishes again', async () => {
    const { publisher, broken } = setUp({ confirmTimeoutMs: 1_000 })
    const channel = attach(publisher)
    const outcomes = publishAll(publisher, 'a')
    await vi.advanceTimersByTimeAsync(600)
    publishAll(publisher, 'b')
    channel.ack(1)
    await vi.advanceTimersByTimeAsync(999)
    expect(broken).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(broken).toEqual(['a message was not confirmed within 1000 ms'])
    expect(outcomes).toEqual({ a: 'confirmed' })

    const next = attach(publisher)
    expect(next.sent).toEqual(['b'])
    next.ack(1)
    await publisher.stop(0)
  })

  it('tells producers when a further message would not have to wait', async () => {
    const { publisher } = setUp({ window: 2 })
    await publisher.drained()
    publishAll(publisher, 'a', 'b', 'c')
    let drained = 0
    for (let waiter = 0; waiter < 2; waiter += 1) void publisher.drained().then(() => (drained += 1))
    const channel = attach(publisher)
    channel.ack(1)
    await settled()
    expect(drained).toBe(0)
    channel.ack(2)
    await settled()
    expect(drained).toBe(2)
    channel.ack(3)
    await publisher.stop(0)
  })

  describe('when it stops', () => {
    it('waits for the last confirm', async () => {
      const { publisher } = setUp()
      const channel = attach(publisher)
      const outcomes = publishAll(publisher, 'a')
      const stopped = publisher.stop(1_000)
      await vi.advanceTimersByTimeAsync(500)
      channel.ack(1)
      await stopped
      expect(outcomes).toEqual({ a: 'confirmed' })
    })

    it('rejects what is not confirmed in time, wherever it waits, and who waits to publish', async () => {
      const { publisher } = setUp({ window: 2 })
      const channel = attach(publisher)
      const outcomes = publishAll(publisher, 'sent', 'refused', 'waiting')
      const drained = publisher.drained()
      channel.nack(2)
      publisher.setBlocked(true)
      const stopped = publisher.stop(50)
      await vi.advanceTimersByTimeAsync(50)
      await stopped
      await drained
      const text = expect.stringContaining('stopped before the broker confirmed')
      expect(outcomes).toEqual({ sent: text, refused: text, waiting: text })
      expect(publisher).toMatchObject({ pending: 0, failed: 3 })
    })

    it('refuses new messages and new channels', async () => {
      const { publisher } = setUp()
      await publisher.stop(1_000)
      await expect(publisher.publish(message('a'))).rejects.toMatchObject({ code: 'BROKER_PUBLISH_FAILED' })
      expect(attach(publisher).listenerCount('ack')).toBe(0)
      await publisher.drained()
      await publisher.stop(1_000)
    })
  })
})
