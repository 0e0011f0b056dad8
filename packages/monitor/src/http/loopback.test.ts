import { describe, expect, it } from 'vitest'

import { assertProtected, isLocalRequest, isLoopback } from './loopback.ts'

describe('an address of this machine alone', () => {
  it.each(['127.0.0.1', '127.9.8.7', '::1', '[::1]', 'localhost', 'LOCALHOST', 'monitor.localhost'])(
    'is %s',
    (host) => {
      expect(isLoopback(host)).toBe(true)
      expect(() => assertProtected(host, { needsToken: false })).not.toThrow()
    },
  )

  it.each(['0.0.0.0', '::', '10.0.0.1', '192.168.1.5', 'example.org', '127.0.0.1.nip.io', 'localhost.evil', ''])(
    'is not %s',
    (host) => {
      expect(isLoopback(host)).toBe(false)
      expect(() => assertProtected(host, { needsToken: false })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      )
      expect(() => assertProtected(host, { needsToken: true })).not.toThrow()
    },
  )
})

describe('a request for this machine', () => {
  it.each(['127.0.0.1:8080', 'localhost', '[::1]:8080', '2130706433'])('names it %s', (host) => {
    expect(isLocalRequest(host)).toBe(true)
  })

  it.each([undefined, '', 'evil.example', 'user@evil.example', '127.0.0.1@evil.example', 'a b', '0.0.0.0:8080'])(
    'does not name it %s',
    (host) => {
      expect(isLocalRequest(host)).toBe(false)
    },
  )
})
