import { describe, expect, it } from 'vitest'

import {
  type Broker,
  CONTROL_MESSAGE_TYPE,
  type ControlMessage,
  controlMessage,
  createControl,
  createLogger,
  createSilentLogger,
  type HeardMessage,
  listenToControl,
  publishControl,
  publishReply,
} from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, tcpProxies } from './broker-clients.ts'

const shared = testBroker()
const startProxy = tcpProxies(shared.url)
const client = brokerClients(shared)

async function startClient(url = shared.url): Promise<Broker> {
  const { broker } = client({ url })
  await broker.start()
  return broker
}

/** Notes what is heard of the control exchange, or of another one by a pattern. */
async function hear(broker: Broker, { exchange = broker.topology.exchanges.control, pattern = '#' } = {}) {
  const heard: string[] = []
  let timesListening = 0
  const listener = await broker.listen({
    exchange,
    pattern,
    onMessage: ({ body }: HeardMessage) => heard.push(body.toString()),
    onListening: () => (timesListening += 1),
  })
  return { heard, listener, timesListening: () => timesListening }
}

function say(broker: Broker, text: string, { exchange = broker.topology.exchanges.control, routingKey = '' } = {}) {
  return broker.publisher.publish({ exchange, routingKey, type: 'test', body: Buffer.from(text) })
}

/** Names of the queues that listeners have on the broker. */
async function listenerQueues(): Promise<string[]> {
  const queues = (await callManagement(
    shared.managementUrl ?? '',
    'GET',
    '/queues?disable_stats=true&enable_queue_totals=true',
  )) as { name: string }[]
  return queues.map(({ name }) => name).filter((name) => name.startsWith(`${shared.namespace}.control.`))
}

describe('a listener', () => {
  it('hears what is published from now on, as every other one does, in order', async () => {
    const [one, other] = [await startClient(), await startClient()]
    await say(one, 'too early')
    const [first, second] = [await hear(one), await hear(other)]
    await say(one, 'a')
    await say(one, 'b')
    await waitFor(() => first.heard.length === 2 && second.heard.length === 2, { describe: 'both to hear both' })
    expect([first.heard, second.heard]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
  })

  it('of a topic exchange hears what its pattern matches', async () => {
    const broker = await startClient()
    const exchange = broker.topology.exchanges.reply
    const { heard } = await hear(broker, { exchange, pattern: 'mine' })
    await say(broker, 'for another', { exchange, routingKey: 'yours' })
    await say(broker, 'for me', { exchange, routingKey: 'mine' })
    await waitFor(() => heard.length > 0, { describe: 'an answer' })
    expect(heard).toEqual(['for me'])
  })

  it('hears again after its connection was cut, and is told that it may have missed something', async () => {
    const proxy = await startProxy()
    const cut = await startClient(proxy.url)
    const other = await startClient()
    const { heard, timesListening } = await hear(cut)
    expect(timesListening()).toBe(1)
    proxy.cut()
    await waitFor(() => timesListening() >= 2, { describe: 'listening again' })
    await say(other, 'after the cut')
    await waitFor(() => heard.includes('after the cut'), { describe: 'the message' })
  })

  it('goes on when the one who is told throws', async () => {
    const { broker, log } = client()
    await broker.start()
    const heard: string[] = []
    await broker.listen({
      exchange: broker.topology.exchanges.control,
      onMessage({ body }) {
        heard.push(body.toString())
        if (heard.length === 1) throw new Error('boom')
      },
    })
    await say(broker, 'a')
    await say(broker, 'b')
    await waitFor(() => heard.length === 2, { describe: 'the second message' })
    expect(heard).toEqual(['a', 'b'])
    expect(log.map(({ msg }) => msg)).toContain('Delivery handler threw')
  })

  it.skipIf(shared.managementUrl === undefined)('leaves no queue behind', async () => {
    const broker = await startClient()
    const { listener } = await hear(broker)
    await waitFor(async () => (await listenerQueues()).length > 0, { describe: 'its queue' })
    await listener.close()
    await listener.close()
    await waitFor(async () => (await listenerQueues()).length === 0, { describe: 'no queue of a listener' })
  })
})

describe('the control exchange', () => {
  it('carries orders; what is none is ignored with a warning that says why', async () => {
    const broker = await startClient()
    const warnings: { msg: string; reason: string }[] = []
    const heard: ControlMessage[] = []
    await listenToControl(broker, {
      logger: createLogger({
        service: 'test',
        destination: { write: (line) => void warnings.push(JSON.parse(line) as (typeof warnings)[number]) },
      }),
      onMessage: (message) => heard.push(message),
    })
    const order = controlMessage({ type: 'pause', queue: 'q', lane: 'low' }, { by: 'ada', nowMs: 7 })
    const bad = ['{', JSON.stringify({ ...order, queue: 'a.b' }), JSON.stringify({ ...order, v: 2 })]
    const { control: exchange } = broker.topology.exchanges
    for (const text of bad) {
      const body = Buffer.from(text)
      await broker.publisher.publish({ exchange, routingKey: '', body, type: CONTROL_MESSAGE_TYPE })
    }
    await publishControl(broker, order)
    await waitFor(() => heard.length > 0, { describe: 'the order' })
    expect(heard).toEqual([order])
    expect(new Set(warnings.map(({ msg }) => msg))).toEqual(new Set(['a message on the control exchange is ignored']))
    expect(warnings.map(({ reason }) => reason)).toEqual(
      bad.map(() => expect.stringContaining('not a valid control message')),
    )
  })

  it('answers go to whoever asked, and to nobody else', async () => {
    const [asking, other, answering] = [await startClient(), await startClient(), await startClient()]
    const logger = createSilentLogger()
    await listenToControl(answering, {
      logger,
      onMessage(message) {
        if (message.type !== 'ping') return
        void publishReply(answering, message, { type: 'worker', v: 1, id: message.id, from: message.by })
      },
    })
    const [first, second] = [
      createControl({ broker: asking, logger, by: 'first', waitMs: 300 }),
      createControl({ broker: other, logger, by: 'second', waitMs: 300 }),
    ]
    await expect
      .poll(() => Promise.all([first.ping(), second.ping()]))
      .toMatchObject([[{ from: 'first' }], [{ from: 'second' }]])
    expect(await first.resumeQueue('q')).toEqual([])
    await first.close()
    await first.close()
  })
})
