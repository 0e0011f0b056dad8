import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { labelEndpoints, redactorOf, redactUrl, redactUrls } from './redact-url.ts'

describe('redactUrl', () => {
  it.each([
    ['ws://127.0.0.1:9944', 'ws://127.0.0.1:9944'],
    ['wss://node.example/', 'wss://node.example'],
    ['wss://node.example:8443/v2/secret', 'wss://node.example:8443/…'],
    ['wss://node.example?key=secret', 'wss://node.example/…'],
    ['wss://node.example/#secret', 'wss://node.example/…'],
    ['wss://user:secret@node.example', 'wss://…@node.example'],
    ['wss://secret@node.example/secret', 'wss://…@node.example/…'],
    ['secret', '(invalid URL)'],
  ])('shows %s as %s', (url, shown) => {
    expect(redactUrl(url)).toBe(shown)
  })

  it('never shows what stands in path, query or user name', () => {
    const secret = fc.stringMatching(/^[0-9a-f]{12,32}$/)
    fc.assert(
      fc.property(secret, (key) => {
        const urls = [`wss://a.b/${key}`, `wss://a.b/v1?k=${key}`, `wss://${key}@a.b:1/x`, `wss://u:${key}@a.b`]
        for (const url of urls) expect(redactUrls(`cannot reach ${url}: refused`)).not.toContain(key)
      }),
    )
  })
})

describe('redactUrls', () => {
  it('keeps the text around the URLs', () => {
    expect(redactUrls('lost "wss://a.b/secret", trying https://c.d:1/secret now')).toBe(
      'lost "wss://a.b/…", trying https://c.d:1/… now',
    )
  })
})

describe('redactUrls of a broker and a database', () => {
  it.each([
    'amqp://me:secret@a.b/vhost',
    'amqps://me:secret@a.b',
    'postgres://me:secret@a.b/c',
    'postgresql://:secret@/c?host=/x',
  ])('shows no password of %s', (url) => expect(redactUrls(`cannot reach ${url}`)).not.toContain('secret'))
})

describe('redactorOf', () => {
  const url = 'wss://user1234:p%40ss@a.b:1/v2/0a1b2c3d4e/mainnet?apikey=k3y%2Fk3y%2Fk3y&depth=64'

  it.each([
    ['unknown key 0a1b2c3d4e', 'unknown key …'],
    ['Cannot POST /v2/0a1b2c3d4e/mainnet', 'Cannot POST /v2/…/mainnet'],
    ['k3y%2Fk3y%2Fk3y or k3y/k3y/k3y has no credits', '… or … has no credits'],
    ['user1234 with p@ss', '… with …'],
    ['see wss://other/0a1b2c3d4e', 'see wss://other/…'],
    ['mainnet v2 at depth 64', 'mainnet v2 at depth 64'],
  ])('shows %s as %s', (text, shown) => {
    expect(redactorOf(url)(text)).toBe(shown)
  })

  it('takes what is not encoded as it is', () => {
    expect(redactorOf('wss://a.b/%zz1234567')('no %zz1234567')).toBe('no …')
  })
})

describe('labelEndpoints', () => {
  it('tells endpoints apart that look alike when redacted', () => {
    const [first, second, other] = ['wss://a.b/key-one', 'wss://a.b/key-two', 'wss://c.d']
    expect([...labelEndpoints([first, other, second, first])]).toEqual([
      [first, 'wss://a.b/…'],
      [other, 'wss://c.d'],
      [second, 'wss://a.b/…#2'],
    ])
    expect(labelEndpoints([second], ' (archive)').get(second)).toBe('wss://a.b/… (archive)')
  })
})
