import { setting } from '@blockmill/core'

import { generatePassword } from './password-hash.ts'
import type { ServiceRole } from './service-role.ts'

// What a URL needs no encoding for, and PostgreSQL no normalising.
const PASSWORD = /^[\w.~-]{8,256}$/

function passwordSetting(role: ServiceRole) {
  return setting.custom(
    {
      key: `${role.toUpperCase()}_PASSWORD`,
      description: `password of the ${role}'s user and role; unset, one that is there keeps its own and a new one gets a random one`,
    },
    {
      rule: "8 to 256 letters, digits and '-', '_', '.', '~'",
      parse: (text) => (PASSWORD.test(text) ? text : undefined),
      mask: () => '***',
    },
  )
}

/** Passwords for accounts, one setting for each role. There are no command line options: everybody on a machine may read those. */
export const passwordSettings = {
  scheduler: passwordSetting('scheduler'),
  worker: passwordSetting('worker'),
  monitor: passwordSetting('monitor'),
  operator: passwordSetting('operator'),
  producer: passwordSetting('producer'),
}

/** Passwords that were given, by role. */
export type GivenPasswords = { readonly [Role in ServiceRole]?: string }

/** A password for an account; a role's new accounts on broker and database get the same one. */
export interface AccountPasswords {
  /** The password to set; `undefined` when the account keeps the one that it has. */
  of(role: ServiceRole, exists: boolean): string | undefined
}

/** Passwords as given, and random ones for accounts that are new. */
export function createAccountPasswords(
  given: GivenPasswords,
  generate: () => string = generatePassword,
): AccountPasswords {
  const made = new Map<ServiceRole, string>()
  return {
    of(role, exists) {
      const password = given[role] ?? made.get(role)
      if (password !== undefined && (given[role] !== undefined || !exists)) return password
      if (exists) return undefined
      const random = generate()
      made.set(role, random)
      return random
    },
  }
}
