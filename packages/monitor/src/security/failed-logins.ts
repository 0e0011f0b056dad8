import { isIPv6 } from 'node:net'

import { LRUCache } from 'lru-cache'

/** How often one address may fail before it has to wait, and for how long. */
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
  /** Remembers that an address has sent credentials that are none. */
  readonly count: (address: string) => void
}

/**
 * An address that failed 20 times within a minute is refused for the rest of that minute, with valid tokens too: who may guess on
 * would see which guess is right. Others are not touched. The 2^64 addresses of one IPv6 network count as one.
 */
export function createFailedLogins(now: () => Date, { max, windowMs }: FailedLoginLimits = LIMITS): FailedLogins {
  const failures = new LRUCache<string, { readonly count: number; readonly until: number }>({ max: MAX_ADDRESSES })
  const current = (address: string) => {
    const found = failures.get(networkOf(address))
    return found !== undefined && found.until > now().getTime() ? found : undefined
  }

  return {
    retryAfterSeconds(address) {
      const found = current(address)
      if (found === undefined || found.count < max) return undefined
      return Math.ceil((found.until - now().getTime()) / 1_000)
    },
    count(address) {
      const found = current(address)
      const until = found?.until ?? now().getTime() + windowMs
      failures.set(networkOf(address), { count: (found?.count ?? 0) + 1, until })
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
