import { expect, test } from 'vitest'

import { createAccess } from './access.ts'

const VIEWER = 'viewer-secret-0001'
const OPERATOR = 'operator:secret-01'
const SECOND = 'operator-secret-02'
const access = createAccess({ viewerTokens: [VIEWER], operatorTokens: [OPERATOR, SECOND] })
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

test('lets everybody in without tokens, as an operator of this machine', () => {
  const open = createAccess()
  expect(open.needsToken).toBe(false)
  expect(open.identify(undefined)).toEqual({ role: 'operator', actor: 'local' })
})

test.each([
  [`Bearer ${VIEWER}`, 'viewer'],
  [`bearer  ${OPERATOR}`, 'operator'],
  [`Bearer ${SECOND}`, 'operator'],
  [basic(`viewer:${VIEWER}`), 'viewer'],
  [basic(`operator:${OPERATOR}`), 'operator'],
])('takes %s for the %s', (header, role) => {
  expect(access.identify(header)?.role).toBe(role)
})

test.each([
  undefined,
  '',
  'Bearer',
  'Bearer ',
  VIEWER,
  `Digest ${VIEWER}`,
  `Bearer ${VIEWER} ${VIEWER}`,
  `Bearer ${VIEWER}x`,
  `Bearer ${VIEWER.slice(1)}`,
  `Bearer ${VIEWER},${OPERATOR}`,
  `Bearer ${VIEWER.toUpperCase()}`,
  basic(VIEWER),
  basic(`:${VIEWER}`),
  basic(`viewer:`),
  basic(`viewer:${OPERATOR}`),
  basic(`operator:${VIEWER}`),
  basic(`admin:${OPERATOR}`),
  'Basic !!!',
  'Bearer __proto__',
])('takes %j for nobody', (header) => {
  expect(access.identify(header)).toBeUndefined()
})

test('tells tokens of one role apart without showing them', () => {
  const actors = [VIEWER, OPERATOR, SECOND].map((token) => access.identify(`Bearer ${token}`)?.actor)
  expect(new Set(actors).size).toBe(3)
  for (const actor of actors) expect(actor).toMatch(/^[0-9a-f]{8}$/)
})

test('refuses a token that both roles have, without showing it', () => {
  const both = () => createAccess({ viewerTokens: [VIEWER], operatorTokens: [VIEWER] })
  expect(both).toThrow('a token in common')
  expect(both).not.toThrow(VIEWER)
})
