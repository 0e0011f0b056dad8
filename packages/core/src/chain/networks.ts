import { closest } from 'fastest-levenshtein'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { ChainKind } from './chain-access.ts'
import { redactUrl } from './redact-url.ts'

/** Port of the development chain, chosen beside the 9944 of Substrate nodes so that both can run. */
export const DEV_CHAIN_PORT = 9955

interface Network {
  readonly kind: ChainKind
  /** Tried in this order. */
  readonly endpoints: readonly string[]
}

/**
 * Names that stand for endpoints. `local` is a node of one's own on the port that Substrate nodes use, `anvil` an EVM
 * development chain on its usual port; `dev` is the development chain.
 */
export const NETWORKS = {
  finney: { kind: 'substrate', endpoints: ['wss://entrypoint-finney.opentensor.ai:443'] },
  'bittensor-test': { kind: 'substrate', endpoints: ['wss://test.finney.opentensor.ai:443'] },
  polkadot: { kind: 'substrate', endpoints: ['wss://rpc.polkadot.io', 'wss://polkadot-rpc.dwellir.com'] },
  kusama: { kind: 'substrate', endpoints: ['wss://kusama-rpc.polkadot.io', 'wss://kusama-rpc.dwellir.com'] },
  westend: { kind: 'substrate', endpoints: ['wss://westend-rpc.polkadot.io', 'wss://westend-rpc.dwellir.com'] },
  local: { kind: 'substrate', endpoints: ['ws://127.0.0.1:9944'] },
  dev: { kind: 'substrate', endpoints: [`ws://127.0.0.1:${DEV_CHAIN_PORT}`] },
  anvil: { kind: 'evm', endpoints: ['http://127.0.0.1:8545'] },
} as const satisfies Record<string, Network>

export type NetworkName = keyof typeof NETWORKS

const PROTOCOLS = ['ws:', 'wss:', 'http:', 'https:']

/**
 * The endpoints that a setting such as `CHAIN_URL` stands for: names of networks and URLs, separated by commas, in the order
 * in which they are tried. Throws a `ConfigurationError`, `CONFIG_INVALID`, that names the part that is neither.
 */
export function resolveEndpoints(value: string): readonly string[] {
  const parts = value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length === 0) throw new ConfigurationError('CONFIG_INVALID', `No chain endpoint is given. ${expected()}`)
  return [...new Set(parts.flatMap(endpointsOf))]
}

/**
 * Throws a `ConfigurationError`, `CONFIG_INVALID`, for endpoints that a chain of this kind cannot have: HTTP for Substrate, whose
 * nodes announce new heads by WebSocket only, and those of a known network of another kind.
 */
export function assertEndpointsFit(kind: ChainKind, endpoints: readonly string[]): void {
  for (const endpoint of endpoints) {
    const [name, network] =
      Object.entries<Network>(NETWORKS).find(([, known]) => known.endpoints.includes(endpoint)) ?? []
    if (network !== undefined && network.kind !== kind)
      throw new ConfigurationError(
        'CONFIG_INVALID',
        `'${name}' is a chain of the kind ${network.kind}, but the kind is ${kind}. Set BLOCKMILL_CHAIN_KIND to ${network.kind}, or CHAIN_URL to another chain.`,
      )
    if (kind === 'substrate' && new URL(endpoint).protocol.startsWith('http'))
      throw new ConfigurationError(
        'CONFIG_INVALID',
        `'${redactUrl(endpoint)}' is an HTTP URL, which only chains of the kind evm can have. Give one that begins with ws:// or wss://, or set BLOCKMILL_CHAIN_KIND to evm.`,
      )
  }
}

function endpointsOf(part: string): readonly string[] {
  if (isNetworkName(part)) return NETWORKS[part].endpoints
  if (!part.includes('://')) {
    if (!NAME.test(part)) {
      const text = `'${redactUrl(`wss://${part}`).replace('wss://', '')}' has no scheme. Is it meant to begin with wss://? ${expected()}`
      throw new ConfigurationError('CONFIG_INVALID', text)
    }
    const hint = ` Did you mean '${closest(part, Object.keys(NETWORKS))}'?`
    throw new ConfigurationError('CONFIG_INVALID', `'${part}' is not a known network.${hint} ${expected()}`)
  }
  if (!URL.canParse(part) || !PROTOCOLS.includes(new URL(part).protocol))
    throw new ConfigurationError('CONFIG_INVALID', `'${redactUrl(part)}' is not a URL of a chain. ${expected()}`)
  return [part]
}

/** What a name of a network may look like. Anything else is a URL that lacks its scheme, and may hold a key. */
const NAME = /^[\w-]+$/

function isNetworkName(name: string): name is NetworkName {
  return Object.hasOwn(NETWORKS, name)
}

function expected(): string {
  return `Give URLs that begin with ws:// or wss://, for EVM also http:// or https://, or names: ${Object.keys(NETWORKS).join(', ')}.`
}
