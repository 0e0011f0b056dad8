import type { StartedTestContainer } from 'testcontainers'

import { takeFreePorts } from './free-ports.ts'

/** What to run. */
export interface ContainerOptions {
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  /** Ports of the service inside the container, by name. */
  readonly ports: Readonly<Record<string, number>>
  readonly command?: readonly string[]
}

/** A running container that Testcontainers removes when this process is gone. */
export interface ServiceContainer {
  readonly host: string
  /** The port on this machine that leads to a named port. The same after a restart. */
  port(name: string): number
  /** Runs a command inside and returns its standard output. */
  exec(command: readonly string[]): Promise<string>
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts a container, pulling its image when it is missing. Testcontainers is loaded only here: it is large. */
export async function startContainer(options: ContainerOptions): Promise<ServiceContainer> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers')
  const names = Object.keys(options.ports)
  const hostPorts = await takeFreePorts(names)
  const portOf = (name: string) => hostPorts[name] ?? 0
  const bindings = Object.entries(options.ports).map(([name, container]) => ({ container, host: portOf(name) }))
  const definition = new GenericContainer(options.image)
    .withEnvironment({ ...options.environment })
    .withExposedPorts(...bindings)
    .withWaitStrategy(Wait.forListeningPorts())
  const container: StartedTestContainer = await (
    options.command ? definition.withCommand([...options.command]) : definition
  ).start()
  return {
    host: container.getHost(),
    port: portOf,
    async exec(command) {
      const { stdout, output, exitCode } = await container.exec([...command])
      if (exitCode !== 0) throw new Error(`"${command.join(' ')}" ended with status ${exitCode}: ${output}`)
      return stdout
    },
    async kill() {
      const client = await getContainerRuntimeClient()
      await client.container.getById(container.getId()).kill()
    },
    restart: () => container.restart(),
    async stop() {
      await container.stop({ remove: true, removeVolumes: true })
    },
  }
}
