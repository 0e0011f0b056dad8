import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'

import { type ChannelModel, IllegalOperationError } from 'amqplib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { createLogger } from '../observability/logger.ts'
import { QueueSubscription } from './queue-subscription.ts'

/** A channel whose broker does what the test says. */
class ScriptedChannel extends EventEmitter {
  closed = false

  end(): void {
    this.closed = true
    this.emit('close')
  }

  async prefetch(): Promise<void> {
    if (this.closed) throw new IllegalOperationError('Channel closed', '')
  }

  async consume(): Promise<{ consumerTag: string }> {
    return { consumerTag: 'tag' }
  }

  async cancel(): Promise<void> {}

  async close(): Promise<void> {
    if (this.closed) throw new IllegalOperationError('Channel closed', '')
    this.end()
  }
}

function subscribe({ retryMs = 1, open = () => new ScriptedChannel() } = {}) {
  const channels: ScriptedChannel[] = []
  const warnings: string[] = []
  const createChannel = async (): Promise<ScriptedChannel> => {
    const channel = open()
    channels.push(channel)
    return channel
  }
  const onLost = vi.fn()
  const subscription = new QueueSubscription({
    queue: 'work',
    prefetch: 1,
    onDelivery: () => {},
    onLost,
    logger: createLogger({
      service: 'test',
      level: 'warn',
      destination: { write: (line) => void warnings.push(line) },
    }),
    reconnect: { minMs: retryMs, maxMs: retryMs },
    random: () => 0.5,
    connection: () => ({ createChannel }) as unknown as ChannelModel,
    redeclare: async () => {},
    onClose: () => {},
  })
  onTestFinished(() => subscription.close())
  return { subscription, channels, warnings, onLost }
}

describe('a subscription', () => {
  it('closes although it was paused and lost its channel just before', async () => {
    const { subscription, channels } = subscribe({ retryMs: 60_000 })
    await subscription.consuming
    await subscription.pause()
    channels[0]?.end()
    await turn()
    await subscription.close()
  })

  it('closes while it waits to try again', async () => {
    const { subscription, channels } = subscribe({ retryMs: 60_000 })
    await subscription.consuming
    channels[0]?.end()
    await turn()
    await subscription.close()
    expect(channels).toHaveLength(1)
  })

  it('opens another channel when one closed before anybody listened', async () => {
    let opened = 0
    const { subscription, channels } = subscribe({
      open: () => {
        const channel = new ScriptedChannel()
        opened += 1
        channel.closed = opened === 1
        return channel
      },
    })
    await subscription.consuming
    expect(channels).toHaveLength(2)
  })

  it('tells who holds deliveries that the channel they came on is given up', async () => {
    const { subscription, channels, onLost } = subscribe()
    await subscription.consuming
    await subscription.pause()
    // Its `close` event never comes.
    if (channels[0] !== undefined) channels[0].closed = true
    await subscription.resume()
    await vi.waitFor(() => expect(channels).toHaveLength(2), { timeout: 15_000 })
    expect(onLost).toHaveBeenCalledOnce()
  })

  it('says so when it fails for the third time in a row, whatever the reason', async () => {
    const { subscription, channels, warnings } = subscribe({
      open: () => Object.assign(new ScriptedChannel(), { closed: true }),
    })
    subscription.consuming.catch(() => {})
    await vi.waitFor(() => expect(channels.length).toBeGreaterThan(4), { timeout: 15_000 })
    expect(JSON.parse(warnings[0] ?? '')).toMatchObject({ queue: 'work', reason: 'Channel closed', failures: 3 })
  })
})
