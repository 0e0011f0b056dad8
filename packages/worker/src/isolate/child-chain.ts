import {
  type ChainAccess,
  type ChainConnection,
  createChainConnection,
  createSubstrateAccess,
  type Logger,
  substrateProtocol,
} from '@blockmill/core'
import type { ChildChain } from './child-protocol.ts'

/** A chain that is connected to when it is first asked for something, because most isolated tasks never do. */
export function createLazyChain(
  { id, endpoints, archiveEndpoints }: ChildChain,
  logger: Logger,
): { readonly chain: ChainAccess; readonly close: () => Promise<void> } {
  const connection = createChainConnection({ protocol: substrateProtocol, endpoints, archiveEndpoints, logger })
  let started: Promise<void> | undefined
  const lazy: ChainConnection = {
    ...connection,
    async send(method, params) {
      // Requests wait for the connection by themselves, and say why there is none.
      started ??= connection.start().catch(() => undefined)
      return connection.send(method, params)
    },
  }
  return { chain: createSubstrateAccess({ id, connection: lazy }), close: () => connection.close() }
}
