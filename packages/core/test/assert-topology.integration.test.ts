import { describe, expect, it } from 'vitest'

import { assertTopology, createTopology, DELIVERY_LIMIT } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, onChannel } from './broker-clients.ts'

const shared = testBroker()
const client = brokerClients(shared)

describe('assertTopology', () => {
  it('lets another producer publish a task before any service has run, which waits for worker and monitor', async () => {
    const topology = createTopology({ namespace: shared.namespace })
    await assertTopology(shared.url, topology, { queues: ['a', 'b'] })
    await onChannel(shared.url, async (channel) => {
      for (const queue of ['a', 'b']) {
        channel.publish(topology.exchanges.tasks, topology.taskKey(queue, 'low'), Buffer.from('{}'), {
          mandatory: true,
        })
      }
      for (const queue of [topology.workQueue('a', 'low'), topology.workQueue('b', 'low'), topology.monitorQueue]) {
        const got = await waitFor(() => channel.get(queue, { noAck: true }), { describe: `a message in ${queue}` })
        expect(got).toMatchObject({ content: Buffer.from('{}') })
      }
    })
  })

  it('declares what the services declare: neither refuses the other', async () => {
    const topology = createTopology({ namespace: shared.namespace })
    const { broker } = client({ topology })
    await onChannel(shared.url, async (channel) => {
      await assertTopology(channel, topology, { queues: ['same'] })
      await broker.start()
      await broker.declare(topology.work('same'))
      await assertTopology(channel, topology, { queues: ['same'] })
      // The channel is still of use, and has no listener more than before.
      expect(channel.listenerCount('error')).toBe(0)
      await channel.checkQueue(topology.workQueue('same', 'high'))
    })
  })

  it('names the queue that exists with other arguments, and says what to do', async () => {
    const topology = createTopology({ namespace: shared.namespace })
    const queue = topology.workQueue('other', 'normal')
    await onChannel(shared.url, (channel) =>
      channel.assertQueue(queue, {
        durable: true,
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERY_LIMIT + 1 },
      }),
    )
    const refusal = {
      code: 'BROKER_TOPOLOGY_MISMATCH',
      message: expect.stringMatching(
        new RegExp(`queue "${queue}" exists .* Delete it there .*inequivalent arg`),
      ) as string,
    }
    await expect(assertTopology(shared.url, topology, { queues: ['other'] })).rejects.toMatchObject(refusal)
    // On a channel of the caller's the connection lives on.
    await onChannel(shared.url, async (channel) => {
      await expect(assertTopology(channel, topology, { queues: ['other'] })).rejects.toMatchObject(refusal)
    })
  })

  it('tells what is wrong with a broker that cannot be had', async () => {
    const topology = createTopology({ namespace: shared.namespace })
    await expect(assertTopology('http://broker', topology)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(assertTopology('amqp://127.0.0.1:1', topology)).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    })
    const wrong = new URL(shared.url)
    wrong.password = 'wrong'
    await expect(assertTopology(wrong.href, topology)).rejects.toMatchObject({ code: 'BROKER_REFUSED' })
  })

  it('refuses a queue name that would break a routing key', async () => {
    const topology = createTopology({ namespace: shared.namespace })
    await expect(assertTopology(shared.url, topology, { queues: ['a.b'] })).rejects.toThrow('"a.b"')
  })
})
