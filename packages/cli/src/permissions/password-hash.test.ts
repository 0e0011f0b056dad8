import { describe, expect, it } from 'vitest'

import { brokerPasswordHash, databasePasswordHash, generatePassword } from './password-hash.ts'

describe('brokerPasswordHash', () => {
  it("is RabbitMQ's, by the example in its documentation", () => {
    expect(brokerPasswordHash('test12', Buffer.from('908dc60a', 'hex'))).toBe(
      'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR',
    )
  })

  it('is another one each time', () => {
    expect(brokerPasswordHash('test12')).not.toBe(brokerPasswordHash('test12'))
  })
})

describe('databasePasswordHash', () => {
  it('is a SCRAM verifier, by the example of RFC 7677', () => {
    expect(databasePasswordHash('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    )
  })
})

describe('generatePassword', () => {
  it('makes passwords that need no encoding in a URL', () => {
    const password = generatePassword()
    expect(password).toHaveLength(32)
    expect(encodeURIComponent(password)).toBe(password)
    expect(generatePassword()).not.toBe(password)
  })
})
