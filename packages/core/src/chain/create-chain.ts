import type { AnyChainAccess, ChainKind } from './chain-access.ts'
import { type ChainConnection, type ChainConnectionOptions, createChainConnection } from './chain-connection.ts'
import type { ChainProtocol } from './chain-protocol.ts'
import type { ChainSource } from './chain-source.ts'
import { evmProtocol } from './evm-protocol.ts'
import { createEvmSource } from './evm-source.ts'
import { assertEndpointsFit } from './networks.ts'
import { createSubstrateAccess } from './substrate-access.ts'
import { substrateProtocol } from './substrate-protocol.ts'
import { createSubstrateSource } from './substrate-source.ts'

export interface ConnectChainOptions extends Omit<ChainConnectionOptions, 'protocol'> {
  readonly kind: ChainKind
}

export interface ChainAccessOptions {
  /** The name that the chain was given. */
  readonly id: string
  readonly kind: ChainKind
  /** Shared with others of the process; not closed here. */
  readonly connection: ChainConnection
}

export interface ChainOptions extends ConnectChainOptions, Omit<ChainAccessOptions, 'connection'> {
  /** How many blocks behind the head a block is final, on EVM nodes that cannot say. Default 64. */
  readonly finalityDepth?: number
}

/** A chain as a scheduler needs it: what it follows, and what conditions read. Both share one connection. */
export interface Chain {
  /** Starts and closes the connection, too. */
  readonly source: ChainSource
  readonly access: AnyChainAccess
}

const PROTOCOLS: Readonly<Record<ChainKind, ChainProtocol>> = { substrate: substrateProtocol, evm: evmProtocol }

/**
 * A connection to a chain of any kind, not started yet, for who does not follow its head.
 * @throws ConfigurationError `CONFIG_INVALID` for endpoints that a chain of this kind cannot have.
 */
export function connectChain({ kind, ...options }: ConnectChainOptions): ChainConnection {
  assertEndpointsFit(kind, [...options.endpoints, ...(options.archiveEndpoints ?? [])])
  return createChainConnection({ ...options, protocol: PROTOCOLS[kind] })
}

/** What task code gets as `chain`, over a connection of the same kind. Loads viem for an EVM chain: a third of a second. */
export async function createChainAccess({ id, kind, connection }: ChainAccessOptions): Promise<AnyChainAccess> {
  switch (kind) {
    case 'substrate':
      return createSubstrateAccess({ id, connection })
    case 'evm': {
      const { createEvmAccess } = await import('./evm-access.ts')
      return createEvmAccess({ id, connection })
    }
  }
}

/**
 * Follows a chain of any kind, and gives access to it. Nothing is connected before `source.start()`.
 * @throws ConfigurationError `CONFIG_INVALID` for endpoints that a chain of this kind cannot have.
 */
export async function createChain({ id, kind, finalityDepth, ...options }: ChainOptions): Promise<Chain> {
  assertEndpointsFit(kind, [...options.endpoints, ...(options.archiveEndpoints ?? [])])
  const source =
    kind === 'substrate'
      ? createSubstrateSource(options)
      : createEvmSource({ ...options, ...(finalityDepth !== undefined && { finalityDepth }) })
  return { source, access: await createChainAccess({ id, kind, connection: source.connection }) }
}
