import { describe, expect, it, onTestFinished } from 'vitest'

import type { Broker } from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, ids, taskTo, tcpProxies } from './broker-clients.ts'
import { startCuttingProxy } from './cutting-proxy.ts'

const shared = testBroker()

const startProxy = tcpProxies(shared.url)
const client = brokerClients(shared)

/** Notes which messages of a queue arrive, and acks them. */
async function collectIds(broker: Broker, queue: string): Promise<Set<string>> {
  const received = new Set<string>()
  await broker.consume({
    queue: broker.topology.workQueue(queue, 'normal'),
    prefetch: 50,
    onDelivery(delivery) {
      received.add(delivery.body.toString())
      delivery.ack()
    },
  })
  return received
}

/** Publishes, and takes what is confirmed for delivered. */
async function publishAll(broker: Broker, queue: string, messages: readonly string[]): Promise<void> {
  await Promise.all(messages.map((id) => broker.publisher.publish(taskTo(broker, queue, id))))
}

describe('a broker client whose network fails', () => {
  it('loses nothing when its connections are cut again and again under load', async () => {
    const proxy = await startProxy()
    const { broker } = client({ url: proxy.url })
    await broker.start()
    await broker.declare(broker.topology.work('cut'))
    const received = await collectIds(broker, 'cut')
    const sent = ids('cut', 10_000)
    let confirmed = 0
    let cuts = 0
    for (const id of sent) {
      await broker.publisher.drained()
      void broker.publisher.publish(taskTo(broker, 'cut', id)).then(() => (confirmed += 1))
      if (confirmed >= (cuts + 1) * 1_500 && cuts < 6) {
        proxy.cut()
        cuts += 1
      }
    }
    await waitFor(() => confirmed === sent.length && received.size === sent.length, {
      describe: 'all messages to be confirmed and delivered',
      timeoutMs: 60_000,
    })
    expect(cuts).toBeGreaterThan(2)
    expect(received).toEqual(new Set(sent))
    expect(broker.publisher.pending).toBe(0)
  })

  it('notices by missing heartbeats that nothing comes through any more, and goes on when it does again', async () => {
    const proxy = await startProxy()
    const { broker, log } = client({ url: `${proxy.url}?heartbeat=1`, connectTimeoutMs: 300 })
    await broker.start()
    await broker.declare(broker.topology.work('stalled'))
    const received = await collectIds(broker, 'stalled')
    await publishAll(broker, 'stalled', ['before'])

    proxy.stall()
    const published = publishAll(broker, 'stalled', ids('during', 100))
    await waitFor(() => !broker.isReady() && log.some(({ reason }) => reason === 'Heartbeat timeout'), {
      describe: 'the silence to be noticed',
    })
    await waitFor(() => log.some(({ reason }) => reason?.includes('ETIMEDOUT')), { describe: 'a connect to time out' })
    proxy.resume()
    await published
    await waitFor(() => received.size === 101, { describe: 'all messages' })
    await waitFor(() => broker.isReady(), { describe: 'both connections to be back' })
  })

  it('publishes again on a new connection when confirms stop coming, long before heartbeats are missed', async () => {
    const proxy = await startProxy()
    const { broker, log } = client({ url: proxy.url, confirmTimeoutMs: 200 })
    await broker.start()
    await broker.declare(broker.topology.work('half-open'))
    await publishAll(broker, 'half-open', ['before'])

    proxy.halfOpen()
    await publishAll(broker, 'half-open', ids('after', 50))
    expect(log.some(({ reason }) => reason === 'a message was not confirmed within 200 ms')).toBe(true)
    // The consuming connection is still deaf; the stop must not wait for it.
    await broker.stop()
    const { broker: witness } = client()
    await witness.start()
    const received = await collectIds(witness, 'half-open')
    await waitFor(() => received.size === 51, { describe: 'all messages' })
  })

  it('starts whatever byte of its set-up the connection is cut at', async () => {
    const proxy = await startCuttingProxy(shared.url)
    onTestFinished(() => proxy.stop())
    const { broker: whole } = client({ url: proxy.url })
    await whole.start()
    // The consuming connection comes first and is cut; the publishing one got the answers to channel.open and confirm.select more.
    const bytes = proxy.longest - (16 + 12)
    await whole.stop()

    let cuts = 0
    for (let after = 0; after < bytes; after += Math.ceil(bytes / 40)) {
      for (const how of ['end', 'reset'] as const) {
        const { broker } = client({ url: proxy.url, reconnect: { minMs: 1, maxMs: 1 } })
        proxy.cutNextAfter(after, how)
        await broker.start()
        await publishAll(broker, 'cut-in-set-up', [`${after} ${how}`])
        await broker.stop()
        cuts += 1
        expect(proxy.cuts).toBe(cuts)
      }
    }
  })

  it('starts although the broker closes the first connection as soon as it is open, before anybody can listen', async () => {
    const proxy = await startCuttingProxy(shared.url)
    onTestFinished(() => proxy.stop())
    const { broker, log } = client({ url: proxy.url })
    proxy.closeNextAtOpen()
    await broker.start()
    expect(proxy.cuts).toBe(1)
    expect(log[0]).toMatchObject({ level: 40, reason: expect.stringContaining('CONNECTION_FORCED') })
    await broker.stop()
  })

  it('tries again while the broker cannot be reached, and says so each time without the password', async () => {
    const proxy = await startProxy()
    proxy.refuse()
    const { broker, log } = client({ url: proxy.url })
    const started = broker.start()
    expect(broker.start()).toBe(started)
    await waitFor(() => log.length >= 3, { describe: 'three failed tries' })
    expect(broker.isReady()).toBe(false)
    for (const line of log) {
      expect(line).toMatchObject({
        level: 40,
        msg: 'Broker connection failed; trying again',
        role: 'consume',
        url: `amqp://guest:***@127.0.0.1:${proxy.port}`,
        reason: expect.stringContaining('ECONNREFUSED'),
      })
      expect(line.retryInMs).toBeGreaterThanOrEqual(10)
      expect(line.retryInMs).toBeLessThanOrEqual(100)
    }
    await proxy.accept()
    await started
    expect(broker.isReady()).toBe(true)
  })

  it('ends the start when its signal aborts, while it waits or in the middle of a handshake', async () => {
    const proxy = await startProxy()
    const waiting = client({ url: proxy.url, reconnect: { minMs: 60_000, maxMs: 60_000 } })
    const inHandshake = client({ url: proxy.url })
    const abort = new AbortController()

    proxy.refuse()
    const startedWaiting = expect(waiting.broker.start(abort.signal)).rejects.toThrow('enough')
    await waitFor(() => waiting.log.length === 1, { describe: 'a failed try' })
    await proxy.accept()
    proxy.stall()
    const startedInHandshake = expect(inHandshake.broker.start(abort.signal)).rejects.toThrow('enough')
    await waitFor(() => proxy.acceptedConnections === 1, { describe: 'a connection' })

    abort.abort(new Error('enough'))
    await startedWaiting
    await startedInHandshake
    await expect(client().broker.start(AbortSignal.abort(new Error('never')))).rejects.toThrow('never')
  })

  it('stops at once while it waits for the broker, and rejects what was published meanwhile', async () => {
    const proxy = await startProxy()
    proxy.refuse()
    const { broker } = client({ url: proxy.url, stopTimeoutMs: 50 })
    const started = expect(broker.start()).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    const published = expect(broker.publisher.publish(taskTo(broker, 'any', 'a'))).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
    })
    await broker.stop()
    await started
    await published
  })

  it('stops although it was never started', async () => {
    const { broker } = client()
    await broker.stop()
    await broker.stop()
    await expect(broker.start()).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
  })
})

describe('a broker client that is refused', () => {
  it('says at the first start that user or password is wrong, and does not try again', async () => {
    const url = shared.url.replace(/\/\/.*@/, '//guest:wrong-secret@')
    const { broker, log } = client({ url })
    await expect(broker.start()).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      kind: 'configuration',
      message: expect.stringMatching(/refused the credentials of user "guest".*RABBITMQ_URL/),
    })
    expect(log).toEqual([])
    await expect(broker.start()).rejects.not.toThrow('wrong-secret')
  })

  it('says at the first start that the virtual host cannot be opened', async () => {
    const { broker } = client({ url: `${shared.url.replace(/\/$/, '')}/no%2Fsuch` })
    await expect(broker.start()).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      message: expect.stringContaining('virtual host "no/such"'),
    })
  })

  it('goes on trying when it is refused later, and comes back when it is let in again', async ({ skip }) => {
    const { managementUrl } = shared
    if (managementUrl === undefined) return skip('the broker has no management API')
    const user = `${shared.namespace}-user`
    const vhost = encodeURIComponent(decodeURIComponent(new URL(shared.url).pathname.slice(1)) || '/')
    const setPassword = (password: string) =>
      callManagement(managementUrl, 'PUT', `/users/${user}`, { password, tags: '' })
    await setPassword('first')
    await callManagement(managementUrl, 'PUT', `/permissions/${vhost}/${user}`, {
      configure: '.*',
      write: '.*',
      read: '.*',
    })
    onTestFinished(async () => {
      await callManagement(managementUrl, 'DELETE', `/users/${user}`)
    })
    const proxy = await startProxy()
    const { broker, log } = client({ url: proxy.url.replace(/\/\/.*@/, `//${user}:first@`) })
    await broker.start()
    await setPassword('second')
    proxy.cut()
    await waitFor(() => log.filter(({ reason }) => reason?.includes('refused the credentials')).length > 2, {
      describe: 'refused tries',
    })
    await setPassword('first')
    await waitFor(() => broker.isReady(), { describe: 'the client to be back' })
  })
})
