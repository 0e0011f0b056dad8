import { closest } from 'fastest-levenshtein'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import { redactUrl } from './redact-url.ts'

/** Port of the development chain, chosen beside the 9944 of Substrate nodes so that both can run. */
export const DEV_CHAIN_PORT = 9955

/**
 * Names that stand for public endpoints, tried in this order. `local` is a node of one's own on the port that Substrate
 * nodes use; `dev` is the development chain.
 */
export const NETWORKS = {
  finney: ['wss://entrypoint-finney.opentensor.ai:443'],
  'bittensor-test': ['wss://test.finney.opentensor.ai:443'],
  polkadot: ['wss://rpc.polkadot.io', 'wss://polkadot-rpc.dwellir.com'],
  kusama: ['wss://kusama-rpc.polkadot.io', 'wss://kusama-rpc.dwellir.com'],
  westend: ['wss://westend-rpc.polkadot.io', 'wss://westend-rpc.dwellir.com'],
  local: ['ws://127.0.0.1:9944'],
  dev: [`ws://127.0.0.1:${DEV_CHAIN_PORT}`],
} as const satisfies Record<string, readonly string[]>

const PROTOCOLS = ['ws:', 'wss:', 'http:', 'https:']

export type NetworkName = keyof typeof NETWORKS

/**
 * The endpoints that a setting such as `CHAIN_URL` stands for: names of networks and URLs, separated by commas, in the
 * order in which they are tried. Throws a `ConfigurationError`, `CONFIG_INVALID`, that names the part that is neither.
 */
export function resolveEndpoints(value: string): readonly string[] {
  const parts = value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length === 0) throw new ConfigurationError('CONFIG_INVALID', `No chain endpoint is given. ${expected()}`)
  return [...new Set(parts.flatMap(endpointsOf))]
}

function endpointsOf(part: string): readonly string[] {
  if (isNetworkName(part)) return NETWORKS[part]
  if (!part.includes('://')) {
    const hint = ` Did you mean '${closest(part, Object.keys(NETWORKS))}'?`
    throw new ConfigurationError('CONFIG_INVALID', `'${part}' is not a known network.${hint} ${expected()}`)
  }
  if (!URL.canParse(part) || !PROTOCOLS.includes(new URL(part).protocol))
    throw new ConfigurationError('CONFIG_INVALID', `'${redactUrl(part)}' is not the URL of a chain node. ${expected()}`)
  return [part]
}

function isNetworkName(name: string): name is NetworkName {
  return Object.hasOwn(NETWORKS, name)
}

function expected(): string {
  return `Give URLs that begin with ws://, wss://, http:// or https://, or names: ${Object.keys(NETWORKS).join(', ')}.`
}
