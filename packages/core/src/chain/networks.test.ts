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
    expect(resolveEndpoints(' wss://my.node/key , local,, ws://127.0.0.1:9944,finney, https://my.node/key ')).toEqual([
      'wss://my.node/key',
      'ws://127.0.0.1:9944',
      ...NETWORKS.finney,
      'https://my.node/key',
    ])
  })

  it.each([
    ['finny', /'finny' is not a known network\. Did you mean 'finney'\?/],
    ['toString', /'toString' is not a known network/],
    ['', /No chain endpoint is given/],
    [' , ', /No chain endpoint is given/],
    ['ftp://node.example', /'ftp:\/\/node\.example' is not the URL of a chain node/],
    ['polkadot,ws://', /'\(invalid URL\)' is not the URL of a chain node/],
  ])("refuses '%s' and names the known networks", (value, message) => {
    expect(() => resolveEndpoints(value)).toThrow(ConfigurationError)
    expect(() => resolveEndpoints(value)).toThrow(message)
    expect(() => resolveEndpoints(value)).toThrow(/finney, bittensor-test, polkadot, kusama, westend, local, dev/)
  })

  it('does not show keys in its errors', () => {
    expect(() => resolveEndpoints('ftp://me:secret@node.example/secret')).not.toThrow(/secret/)
  })
})
