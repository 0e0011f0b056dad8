import { describe, expect, it } from 'vitest'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import { NETWORKS, resolveEndpoints } from './networks.ts'

describe('resolveEndpoints', () => {
  it('knows every network by its name', () => {
    for (const [name, urls] of Object.entries(NETWORKS)) {
      expect(resolveEndpoints(name)).toEqual(urls)
      for (const url of urls) expect(resolveEndpoints(url)).toEqual([url])
    }
  })

  it('takes names and URLs in one list, in their order, each once', () => {
    expect(resolveEndpoints(' wss://my.node/key , local,, ws://127.0.0.1:9944,finney ')).toEqual([
      'wss://my.node/key',
      'ws://127.0.0.1:9944',
      ...NETWORKS.finney,
    ])
  })

  it.each([
    ['finny', /'finny' is not a known network\. Did you mean 'finney'\?/],
    ['toString', /'toString' is not a known network/],
    ['', /No chain endpoint is given/],
    [' , ', /No chain endpoint is given/],
    ['https://node.example', /'https:\/\/node\.example' is not a WebSocket URL/],
    ['polkadot,ws://', /'\(invalid URL\)' is not a WebSocket URL/],
  ])("refuses '%s' and names the known networks", (value, message) => {
    expect(() => resolveEndpoints(value)).toThrow(ConfigurationError)
    expect(() => resolveEndpoints(value)).toThrow(message)
    expect(() => resolveEndpoints(value)).toThrow(/finney, bittensor-test, polkadot, kusama, westend, local, dev/)
  })

  it('does not show keys in its errors', () => {
    expect(() => resolveEndpoints('http://me:secret@node.example/secret')).not.toThrow(/secret/)
  })
})
