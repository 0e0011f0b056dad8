import { type ConfigOf, defineSettings, loadConfig, redactUrl, setting } from '@blockmill/core'

import { ProviderError } from './provider-error.ts'

/** URLs of nodes by chain id, in the order in which they are tried. */
export type RpcUrls = ReadonlyMap<number, readonly string[]>

const HTTP_OR_WS = ['http:', 'https:', 'ws:', 'wss:']

const providerSettings = defineSettings({
  etherscanUrl: setting.url({
    key: 'ETHERSCAN_API_URL',
    description: 'the Etherscan-compatible API, version 2',
    protocols: ['http:', 'https:'],
    example: 'https://api.etherscan.io/v2/api',
    default: 'https://api.etherscan.io/v2/api',
  }),
  etherscanKey: setting.text({ key: 'ETHERSCAN_API_KEY', description: 'key of that API', secret: true }),
  etherscanTimeoutMs: setting.duration({
    key: 'ETHERSCAN_API_TIMEOUT',
    description: 'longest wait for an answer of that API',
    default: '30s',
    min: '100ms',
    max: '10m',
    plainNumber: 'seconds',
  }),
  rpcUrls: setting.custom<RpcUrls, { key: string; description: string }>(
    { key: 'EVM_RPC_URLS', description: 'JSON-RPC nodes of EVM chains by chain id' },
    {
      rule: 'a list of <chain id>=<URL>, such as 1=https://node.example,8453=wss://other.example; an id may come several times',
      parse: parseRpcUrls,
      mask: (text) =>
        rpcUrlEntries(text)
          .map(([id, url]) => `${id}=${redactUrl(url)}`)
          .join(','),
    },
  ),
})

/** Where the providers find what they ask, and with which key. */
export type ProviderSettings = ConfigOf<typeof providerSettings>

/**
 * Reads the settings from the environment or `.env`, like those of services; see `docs/contract-transactions.md`. They are read
 * when they are needed, because whoever never asks for transactions needs none.
 *
 * @throws ProviderError `unconfigured` naming the setting that breaks its rule.
 */
export async function loadProviderSettings(environment: NodeJS.ProcessEnv = process.env): Promise<ProviderSettings> {
  try {
    return (await loadConfig(providerSettings, { environment })).config
  } catch (error) {
    throw new ProviderError('unconfigured', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function parseRpcUrls(text: string): RpcUrls | undefined {
  const urls = new Map<number, readonly string[]>()
  for (const [id, url] of rpcUrlEntries(text)) {
    const isUrl = URL.canParse(url) && HTTP_OR_WS.includes(new URL(url).protocol)
    const chainId = /^[1-9]\d*$/.test(id) ? Number(id) : Number.NaN
    if (!isUrl || !Number.isSafeInteger(chainId)) return undefined
    urls.set(chainId, [...(urls.get(chainId) ?? []), url])
  }
  return urls
}

/** A URL may have commas, so only one before the next id ends it. */
function rpcUrlEntries(text: string): readonly (readonly [id: string, url: string])[] {
  return text.split(/,(?=\s*\d+\s*=)/).map((entry) => {
    const equals = entry.indexOf('=')
    return equals === -1 ? ['', entry.trim()] : [entry.slice(0, equals).trim(), entry.slice(equals + 1).trim()]
  })
}
