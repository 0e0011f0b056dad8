import { createHash, timingSafeEqual } from 'node:crypto'

import { ConfigurationError } from '@blockmill/core'

/** What somebody may do: viewers read, operators also write. */
export const ROLES = ['viewer', 'operator'] as const
export type Role = (typeof ROLES)[number]

/** Who makes a request. */
export interface Identity {
  readonly role: Role
  /**
   * The first 8 hex digits of the token's SHA-256, which tell tokens apart and open nothing; `local` without tokens. In the audit log
   * also `command line`.
   */
  readonly actor: string
}

/** The secrets that open the monitor, each at least 16 characters. None at all: whoever reaches it is let in. */
export interface Tokens {
  readonly viewerTokens?: readonly string[] | undefined
  readonly operatorTokens?: readonly string[] | undefined
}

/** Decides who may come in. */
export interface Access {
  /** False when there is no token: then only this machine may reach the monitor, and may do everything. */
  readonly needsToken: boolean
  /**
   * Who sends this `Authorization` header: `Bearer <token>`, or `Basic` with the role as user name and the token as password,
   * which is what browsers ask people for. `undefined` for nobody.
   */
  readonly identify: (authorization: string | undefined) => Identity | undefined
}

/** Who everybody is without tokens. */
const LOCAL: Identity = { role: 'operator', actor: 'local' }

/** @throws ConfigurationError `CONFIG_INVALID` when one token is for viewers and for operators. */
export function createAccess({ viewerTokens = [], operatorTokens = [] }: Tokens = {}): Access {
  if (viewerTokens.some((token) => operatorTokens.includes(token))) {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      'BLOCKMILL_VIEWER_TOKEN and BLOCKMILL_OPERATOR_TOKEN have a token in common. Viewers could change everything with it: use another.',
    )
  }
  const known = [
    ...operatorTokens.map((token) => entryOf('operator', token)),
    ...viewerTokens.map((token) => entryOf('viewer', token)),
  ]
  if (known.length === 0) return { needsToken: false, identify: () => LOCAL }
  return {
    needsToken: true,
    identify(authorization) {
      const given = credentialsOf(authorization)
      if (given === undefined) return undefined
      const digest = sha256(given.token)
      // All are compared, each in constant time: how long it takes says nothing about any of them.
      const [entry] = known.filter((one) => timingSafeEqual(one.digest, digest))
      if (entry === undefined || (given.user !== undefined && given.user !== entry.identity.role)) return undefined
      return entry.identity
    },
  }
}

function entryOf(role: Role, token: string): { readonly identity: Identity; readonly digest: Buffer } {
  const digest = sha256(token)
  return { identity: { role, actor: digest.toString('hex', 0, 4) }, digest }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function credentialsOf(
  authorization: string | undefined,
): { readonly user?: string; readonly token: string } | undefined {
  const [scheme = '', value = '', ...more] = authorization?.trim().split(/ +/) ?? []
  if (value === '' || more.length > 0) return undefined
  if (scheme.toLowerCase() === 'bearer') return { token: value }
  if (scheme.toLowerCase() !== 'basic') return undefined
  const [, user, token] = /^([^:]*):(.+)$/s.exec(Buffer.from(value, 'base64').toString('utf8')) ?? []
  return user === undefined || token === undefined ? undefined : { user, token }
}
