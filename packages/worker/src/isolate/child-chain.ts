import {
  type AnyChainAccess,
  type ChainConnection,
  connectChain,
  createChainAccess,
  type Logger,
} from '@blockmill/core'
import type { ChildChain } from './child-protocol.ts'

/** A chain that is connected to when it is first asked for something, because most isolated tasks never do. */
export async function createLazyChain(
  { id, kind, endpoints, archiveEndpoints }: ChildChain,
  logger: Logger,
): Promise<{ readonly chain: AnyChainAccess; readonly close: () => Promise<void> }> {
  const connection = connectChain({ kind, endpoints, archiveEndpoints, logger })
  let started: Promise<void> | undefined
  const lazy: ChainConnection = {
    ...connection,
    async send(method, params) {
      // Requests wait for the connection by themselves, and say why there is none.
      started ??= connection.start().catch(() => undefined)
      return connection.send(method, params)
    },
  }
  return { chain: await createChainAccess({ id, kind, connection: lazy }), close: () => connection.close() }
}
