import { EventEmitter } from 'node:events'

import { type ConfirmChannel, IllegalOperationError, type Options } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { createSilentLogger } from '../observability/logger.ts'
import { ConfirmPublisher, MAX_NACKS } from './confirm-publisher.ts'
import type { OutgoingMessage } from './publisher.ts'

/** A confirm channel whose broker does what the test says. */
class ScriptedChannel extends EventEmitter {
  readonly sent: string[] = []
  readonly options: Options.Publish[] = []
  isWritable = true
  failure: Error | undefined

  publish(_exchange: string, _key: string, body: Buffer, options: Options.Publish): boolean {
    if (this.failure !== undefined) throw this.failure
    this.sent.push(body.toString())
    this.options.push(options)
    return this.isWritable
  }

  ack(deliveryTag: number, multiple = false): void {
    this.emit('ack', { deliveryTag, multiple })
  }

  nack(deliveryTag: number, multiple = false): void {
    this.emit('nack', { deliveryTag, multiple })
  }

  return(deliveryTag: number): void {
    const { correlationId } = this.options[deliveryTag - 1] as Options.Publish
    this.emit('return', { fields: { replyCode: 312, replyText: 'NO_ROUTE' }, properties: { correlationId } })
  }

  closeWith(code: number): void {
    this.emit('error', Object.assign(new Error(`Channel closed by server: ${code}`), { code }))
    this.emit('close')
  }
}

function setUp({ window = 3, confirmTimeoutMs = 1_000 } = {}) {
  const broken: string[] = []
  const publisher = new ConfirmPublisher({
    logger: createSilentLogger(),
    window,
    confirmTimeoutMs,
    onBroken: (reason) => broken.push(reason.message),
  })
  return { publisher, broken }
}

function attach(publisher: ConfirmPublisher): ScriptedChannel {
  const channel = new ScriptedChannel()
  publisher.attach(channel as unknown as ConfirmChannel)
  return channel
}

function message(body: string, rest: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: 'tasks',
    routingKey: 'task.a.low',
    type: 'test',
    messageId: body,
    body: Buffer.from(body),
    ...rest,
  }
}

/** Publishes each and notes how it ends. */
function publishAll(publisher: ConfirmPublisher, ...bodies: string[]): Record<string, string> {
  const outcomes: Record<string, string> = {}
  for (const body of bodies) {
    publisher.publish(message(body)).then(
      () => (outcomes[body] = 'confirmed'),
      (error: Error) => (outcomes[body] = error.message),
    )
  }
  return outcomes
}

/** Lets continuations of promises run. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
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
