import { describe, expect, it } from 'vitest'

import { loadProviderSettings } from './provider-settings.ts'

describe('loadProviderSettings', () => {
  it('needs nothing, and asks Etherscan itself by default', async () => {
    expect(await loadProviderSettings({})).toEqual({
      etherscanUrl: 'https://api.etherscan.io/v2/api',
      etherscanTimeoutMs: 30_000,
    })
  })

  it('reads nodes by chain id, several of one chain, with commas within a URL', async () => {
    const EVM_RPC_URLS = '1=https://a.example/v1/key, 8453=wss://b.example,1=http://c.example/?x=1,2'
    expect((await loadProviderSettings({ EVM_RPC_URLS })).rpcUrls).toEqual(
      new Map([
        [1, ['https://a.example/v1/key', 'http://c.example/?x=1,2']],
        [8453, ['wss://b.example']],
      ]),
    )
  })

  it.each([
    'https://a.example',
    '1=a.example',
    'mainnet=https://a.example',
    '0=https://a.example',
    '1=ftp://a.example',
  ])('refuses %s', async (EVM_RPC_URLS) => {
    await expect(loadProviderSettings({ EVM_RPC_URLS })).rejects.toMatchObject({ type: 'unconfigured' })
    await expect(loadProviderSettings({ EVM_RPC_URLS })).rejects.toThrow('EVM_RPC_URLS (environment) is')
  })

  it('does not show keys in what it refuses', async () => {
    const wrong = { EVM_RPC_URLS: '0=https://a.example/v1/secret123', ETHERSCAN_API_URL: 'secret456' }
    const refused = expect(loadProviderSettings(wrong)).rejects
    await refused.toThrow('0=https://a.example/…')
    await refused.not.toThrow('secret123')
  })
})
