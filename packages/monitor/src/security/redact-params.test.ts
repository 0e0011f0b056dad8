import { expect, test } from 'vitest'

import { redactParams } from './redact-params.ts'

test.each([
  [{ token: 'x' }, { token: '***' }],
  [{ body: { apiKey: 1, api_key: { deep: 'x' } } }, { body: { apiKey: '***', api_key: '***' } }],
  [
    { dbPassword: 'x', Authorization: ['x'] },
    { dbPassword: '***', Authorization: '***' },
  ],
  [{ a: ['see wss://node.example/v2/secret'] }, { a: ['see wss://node.example/…'] }],
  [
    { tokenId: 7, key: 'k', name: 'x\0' },
    { tokenId: 7, key: 'k', name: 'x\uFFFD' },
  ],
  [{ query: {}, nothing: undefined }, { query: {} }],
])('keeps of %j what is no secret', (params, kept) => {
  expect(JSON.parse(redactParams(params))).toEqual(kept)
})

test('keeps the beginning of what is long, as JSON that can be stored', () => {
  const long = redactParams({ a: '😀'.repeat(10_000), password: 'secret' })
  expect(long.length).toBeLessThan(9_000)
  const { cut } = JSON.parse(long) as { cut: string }
  expect(cut).toHaveLength(4_096)
  expect(cut.isWellFormed()).toBe(true)
})

test('cannot be made to reach a prototype', () => {
  const text = redactParams(JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'))
  expect(text).not.toBe('')
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})
