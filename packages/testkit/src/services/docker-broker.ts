import type { Broker } from './broker.ts'
import { startContainer } from './docker-container.ts'
import { saveQueueDirectory } from './queue-directory.ts'
import { probeAmqp, probeTcp, waitUntilReady } from './readiness.ts'

/** The image of the broker, with the management plugin. */
export const BROKER_IMAGE = 'rabbitmq:4-management'

const START_TIMEOUT_MS = 120_000

/** Starts RabbitMQ in a container. */
export async function startDockerBroker(): Promise<Broker> {
  const container = await startContainer({
    image: BROKER_IMAGE,
    environment: { RABBITMQ_NODENAME: 'blockmill@localhost' },
    ports: { amqp: 5672, management: 15672 },
  })
  const address = (name: string) => `guest:guest@${container.host}:${container.port(name)}`

  // The engine's port forwarder listens before the node does.
  const ready = () =>
    waitUntilReady(
      async () => {
        await probeAmqp(container.host, container.port('amqp'))
        await probeTcp(container.host, container.port('management'))
      },
      { timeoutMs: START_TIMEOUT_MS, isHopeless: () => undefined },
    )
  try {
    await ready()
  } catch (error) {
    await container.stop()
    throw error
  }
  const ctl = (...args: string[]) => container.exec(['rabbitmqctl', '--quiet', ...args])
  return {
    source: 'docker',
    url: `amqp://${address('amqp')}`,
    managementUrl: `http://${address('management')}`,
    ctl,
    async kill() {
      await saveQueueDirectory(ctl)
      await container.kill()
    },
    async restart() {
      await container.restart()
      await ready()
    },
    stop: () => container.stop(),
  }
}
