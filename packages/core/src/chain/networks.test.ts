import { describe, expect, it } from 'vitest'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import { assertEndpointsFit, NETWORKS, resolveEndpoints } from './networks.ts'

describe('resolveEndpoints', () => {
  it('knows every network by its name', () => {
    for (const [name, { endpoints }] of Object.entries(NETWORKS)) {
      expect(resolveEndpoints(name)).toEqual(endpoints)
      for (const url of endpoints) expect(resolveEndpoints(url)).toEqual([url])
    }
  })

  it('takes names and URLs in one list, in their order, each once', () => {
    expect(resolveEndpoints(' wss://my.node/key , local,, ws://127.0.0.1:9944,finney, https://my.node/key ')).toEqual([
      'wss://my.node/key',
      'ws://127.0.0.1:9944',
      ...NETWORKS.finney.endpoints,
      'https://my.node/key',
    ])
  })

  it.each([
    ['finny', /'finny' is not a known network\. Did you mean 'finney'\?/],
    ['toString', /'toString' is not a known network/],
    ['', /No chain endpoint is given/],
    [' , ', /No chain endpoint is given/],
    ['ftp://node.example', /'ftp:\/\/node\.example' is not a URL of a chain/],
    ['rpc.example/v3/secret', /'rpc\.example\/…' has no scheme\. .* wss:\/\//],
    ['me:secret@rpc.example', /'…@rpc\.example' has no scheme/],
    ['polkadot,ws://', /'\(invalid URL\)' is not a URL of a chain/],
  ])("refuses '%s' and names the known networks", (value, message) => {
    expect(() => resolveEndpoints(value)).toThrow(ConfigurationError)
    expect(() => resolveEndpoints(value)).toThrow(message)
    expect(() => resolveEndpoints(value)).toThrow(
      /finney, bittensor-test, polkadot, kusama, westend, local, dev, anvil/,
    )
  })

  it('does not show keys in its errors', () => {
    for (const value of [
      'ftp://me:secret@node.example/secret',
      'node.example/secret',
      'me:secret@node.example?a=secret',
    ])
      expect(() => resolveEndpoints(value)).not.toThrow(/secret/)
  })
})

describe('assertEndpointsFit', () => {
  it('takes each network for its own kind, URLs of ones own for both, and HTTP for EVM', () => {
    for (const { kind, endpoints } of Object.values(NETWORKS)) assertEndpointsFit(kind, endpoints)
    for (const kind of ['substrate', 'evm'] as const)
      assertEndpointsFit(kind, ['ws://node.example', 'wss://node.example/key'])
    assertEndpointsFit('evm', ['http://node.example', 'https://node.example/key'])
  })

  it.each([
    [
      'substrate',
      'https://me:secret@node.example/secret',
      /'https:\/\/….*' is an HTTP URL.*BLOCKMILL_CHAIN_KIND to evm/,
    ],
    ['substrate', 'HTTP://node.example', /is an HTTP URL.*BLOCKMILL_CHAIN_KIND to evm/],
    ['substrate', 'http://127.0.0.1:8545', /'anvil' is a chain of the kind evm.*BLOCKMILL_CHAIN_KIND to evm/],
    ['evm', 'wss://rpc.polkadot.io', /'polkadot' is a chain of the kind substrate.*BLOCKMILL_CHAIN_KIND to substrate/],
  ] as const)('refuses for %s the endpoint %s', (kind, endpoint, message) => {
    const check = () => assertEndpointsFit(kind, ['ws://node.example', endpoint])
    expect(check).toThrow(ConfigurationError)
    expect(check).toThrow(message)
    expect(check).not.toThrow(/secret/)
  })
})
