import { describe, expect, it } from 'vitest'

import { createAccountPasswords, passwordSettings } from './account-passwords.ts'

describe('createAccountPasswords', () => {
  const numbered = () => {
    let made = 0
    return () => `random-${++made}`
  }

  it('sets a password that is given, on accounts that are there too', () => {
    const passwords = createAccountPasswords({ worker: 'chosen-one' }, numbered())
    expect([passwords.of('worker', true), passwords.of('worker', false)]).toEqual(['chosen-one', 'chosen-one'])
  })

  it('lets an account that is there keep its password', () => {
    expect(createAccountPasswords({}, numbered()).of('worker', true)).toBeUndefined()
  })

  it('gives new accounts a random one, the same on broker and database', () => {
    const passwords = createAccountPasswords({}, numbered())
    expect([passwords.of('monitor', false), passwords.of('scheduler', false), passwords.of('monitor', false)]).toEqual([
      'random-1',
      'random-2',
      'random-1',
    ])
    expect(passwords.of('monitor', true)).toBeUndefined()
  })
})

describe('passwordSettings', () => {
  it.each(['short', 'with space', 'umlaut-ä-12', "quo'te-123", ''])('refuse %j', (text) => {
    expect(passwordSettings.worker.parse(text)).toBeUndefined()
  })

  it('are never shown', () => {
    expect(passwordSettings.worker.mask('a-good-password')).toBe('***')
  })
})
