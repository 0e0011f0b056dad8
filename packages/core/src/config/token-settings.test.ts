import { expect, test } from 'vitest'

import { parseSetting } from './setting.ts'
import { tokenSettings } from './token-settings.ts'

const SECRET = 'a-secret-of-16-c'
const { operatorTokens, trustedProxies } = tokenSettings

test.each([
  [SECRET, [SECRET]],
  [`${SECRET}, ${SECRET}, ${'x'.repeat(256)}`, [SECRET, 'x'.repeat(256)]],
])('tokens %j are read', (text, value) => {
  expect(parseSetting(operatorTokens, text)).toEqual({ value })
})

test.each(['too-short', `${SECRET},`, `${SECRET},short`, 'x'.repeat(257), `${SECRET} with blanks`, `${SECRET}é`])(
  'tokens %j are refused, with the rule and without the secret',
  (text) => {
    const problem = JSON.stringify(parseSetting(operatorTokens, text))
    expect(problem).toContain('16 to 256 visible ASCII characters')
    expect(problem).not.toContain(SECRET)
  },
)

test('a token is never shown', () => {
  expect(operatorTokens.mask(SECRET)).toBe('***')
})

test.each(['10.0.0.7', '10.0.0.0/8,::1', 'fd00::/8'])('proxies %j are believed', (text) => {
  expect(parseSetting(trustedProxies, text)).toEqual({ value: text.split(',') })
})

test.each(['proxy.example', '0.0.0.0/0', '10.0.0.0/33', '10.0.0.0/8/8', 'true', '*'])(
  'proxies %j are refused',
  (text) => {
    expect(parseSetting(trustedProxies, text)).toHaveProperty('problem')
  },
)
