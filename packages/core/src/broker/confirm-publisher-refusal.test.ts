import { IllegalOperationError } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { attach, message, publishAll, setUp } from '../../test/scripted-channel.ts'
import { MAX_NACKS } from './confirm-publisher.ts'

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

describe('ConfirmPublisher, when the broker refuses', () => {
  it('publishes a refused message again, ever more patiently, and rejects it when it is refused for the last time', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    const outcomes = publishAll(publisher, 'a')
    for (let refusals = 1; refusals < MAX_NACKS; refusals += 1) {
      channel.nack(refusals)
      expect(publisher.pending).toBe(1)
      await vi.advanceTimersByTimeAsync(100 * 2 ** (refusals - 1) - 1)
      expect(channel.sent.length).toBe(refusals)
      await vi.advanceTimersByTimeAsync(1)
      expect(channel.sent.length).toBe(refusals + 1)
    }
    channel.nack(MAX_NACKS)
    await settled()
    expect(outcomes['a']).toContain(`refused test a to exchange "tasks" with key "task.a.low" ${MAX_NACKS} times`)
    expect(publisher).toMatchObject({ pending: 0, failed: 1 })
    await publisher.stop(0)
  })

  it('publishes only once what is to be published once, and says that it was refused', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    const refused = expect(publisher.publish({ ...message('a'), once: true })).rejects.toThrow(
      'The broker refused test a to exchange "tasks" with key "task.a.low" once',
    )
    channel.nack(1)
    await refused
    await vi.advanceTimersByTimeAsync(10_000)
    expect(channel.sent).toEqual(['a'])
    expect(publisher).toMatchObject({ pending: 0, failed: 1 })
    await publisher.stop(0)
  })

  it('rejects exactly the message that the broker returns', async () => {
    const { publisher } = setUp({ window: 10 })
    const channel = attach(publisher)
    const lost = publisher.publish(message('lost', { mandatory: true }))
    const kept = publisher.publish(message('kept', { mandatory: true }))
    channel.return(1)
    channel.ack(2, true)
    await expect(lost).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
      kind: 'retryable',
      message: expect.stringMatching(/returned test lost .*"task.a.low" as unroutable \(312 NO_ROUTE\)/),
    })
    await kept
    expect(publisher.pending).toBe(0)
    await publisher.stop(0)
  })

  it('forgets a return when the message is published again on another channel', async () => {
    const { publisher } = setUp()
    const first = attach(publisher)
    const published = publisher.publish(message('a', { mandatory: true }))
    first.return(1)
    first.emit('close')
    attach(publisher).ack(1)
    await published
    await publisher.stop(0)
  })

  it('finds the one message that makes the broker close the channel, and loses no other', async () => {
    const { publisher, broken } = setUp({ window: 10 })
    const outcomes = publishAll(publisher, 'a', 'poison', 'b')
    let channel = attach(publisher)
    expect(channel.sent).toEqual(['a', 'poison', 'b'])
    channel.closeWith(404)
    expect(broken).toEqual(['Channel closed by server: 404'])

    channel = attach(publisher)
    publishAll(publisher, 'c')
    expect(channel.sent).toEqual(['a'])
    channel.ack(1)
    expect(channel.sent).toEqual(['a', 'poison'])
    channel.closeWith(404)
    await settled()
    expect(outcomes['poison']).toContain('closed the channel because of test poison')

    channel = attach(publisher)
    expect(channel.sent).toEqual(['b'])
    channel.ack(1)
    publishAll(publisher, 'd')
    expect(channel.sent).toEqual(['b', 'c', 'd'])
    channel.ack(3, true)
    await publisher.stop(0)
    expect(outcomes).toMatchObject({ a: 'confirmed', b: 'confirmed' })
  })

  it('goes back to the whole window after suspects were confirmed, refused or returned', async () => {
    const { publisher } = setUp({ window: 10 })
    publishAll(publisher, 'a', 'b')
    let channel = attach(publisher)
    channel.closeWith(541)
    channel = attach(publisher)
    channel.emit('close')
    channel = attach(publisher)
    expect(channel.sent).toEqual(['a'])
    channel.ack(1)
    channel.ack(2)
    publishAll(publisher, 'c', 'd', 'e')
    expect(channel.sent).toEqual(['a', 'b', 'c', 'd', 'e'])
    channel.ack(5, true)
    await publisher.stop(0)
  })

  it('keeps a message whose channel has closed under it', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    channel.failure = new IllegalOperationError('Channel closed')
    const outcomes = publishAll(publisher, 'a', 'b')
    expect(publisher.pending).toBe(2)
    const next = attach(publisher)
    expect(next.sent).toEqual(['a', 'b'])
    next.ack(2, true)
    await publisher.stop(0)
    expect(outcomes).toEqual({ a: 'confirmed', b: 'confirmed' })
  })

  it('rejects what AMQP cannot carry, and goes on', async () => {
    const { publisher } = setUp()
    const channel = attach(publisher)
    channel.failure = new RangeError('headers are too large')
    await expect(publisher.publish(message('a'))).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
      kind: 'non-retryable',
      message: expect.stringContaining('headers are too large'),
    })
    channel.failure = undefined
    const published = publisher.publish(message('b'))
    channel.ack(1)
    await published
    await publisher.stop(0)
  })
})
