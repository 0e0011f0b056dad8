import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'

import { LRUCache } from 'lru-cache'

/** How many different credentials one address may try before it has to wait, and for how long. */
export interface FailedLoginLimits {
  readonly max: number
  readonly windowMs: number
}

const LIMITS: FailedLoginLimits = { max: 20, windowMs: 60_000 }

/** Most addresses that are remembered. Those that failed longest ago are forgotten first. */
const MAX_ADDRESSES = 10_000

/** Counts wrong credentials by address, so that tokens cannot be guessed. */
export interface FailedLogins {
  /** How many seconds an address has to wait, whatever it sends; `undefined` when it need not. */
  readonly retryAfterSeconds: (address: string) => number | undefined
  /** Remembers credentials that are none. False when the address has sent the same before: that is an old client, no guess. */
  readonly count: (address: string, credentials: string) => boolean
}

/**
 * An address that tried 20 wrong credentials within a minute is refused for the rest of that minute, with valid tokens too: who may guess on
 * would see which guess is right. Others are not touched. The 2^64 addresses of one IPv6 network count as one.
 */
export function createFailedLogins(now: () => Date, { max, windowMs }: FailedLoginLimits = LIMITS): FailedLogins {
  const failures = new LRUCache<string, { readonly tried: Set<string>; readonly until: number }>({ max: MAX_ADDRESSES })
  const current = (address: string) => {
    const found = failures.get(networkOf(address))
    return found !== undefined && found.until > now().getTime() ? found : undefined
  }

  return {
    retryAfterSeconds(address) {
      const found = current(address)
      if (found === undefined || found.tried.size < max) return undefined
      return Math.ceil((found.until - now().getTime()) / 1_000)
    },
    count(address, credentials) {
      const { tried, until } = current(address) ?? { tried: new Set<string>(), until: now().getTime() + windowMs }
      // A wrong one may be a right one with a slip of the pen: none is kept.
      const digest = createHash('sha256').update(credentials).digest('base64').slice(0, 12)
      if (tried.has(digest)) return false
      failures.set(networkOf(address), { tried: tried.add(digest), until })
      return true
    },
  }
}

/** An IPv6 network of one subscriber: the first four groups. Everything else stands for itself. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'))
  const zeros = 8 - groups(head).length - groups(tail).length
  const all = tail === undefined ? groups(head) : [...groups(head), ...Array<string>(zeros).fill('0'), ...groups(tail)]
  return all.slice(0, 4).join(':')
}
