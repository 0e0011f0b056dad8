import type { Broker } from '@blockmill/core'

/** A permit that the broker gave: counted after it was asked for, and before the answer was there. Unix milliseconds. */
export interface Permit {
  readonly askedAt: number
  readonly answeredAt: number
}

/** What is told of the permits of a worker. */
export interface PermitListener {
  readonly onGiven: (permit: Permit) => void
  readonly onRefused?: () => void
}

/** Tells of every permit that a worker asks for through this client. */
export function watchPermits({ publisher }: Pick<Broker, 'publisher'>, { onGiven, onRefused }: PermitListener): void {
  const publish = publisher.publish.bind(publisher)
  publisher.publish = async (message) => {
    const askedAt = Date.now()
    try {
      await publish(message)
    } catch (error) {
      if (isPermit(message)) onRefused?.()
      throw error
    }
    if (isPermit(message)) onGiven({ askedAt, answeredAt: Date.now() })
  }
}

/** Rates are counted by queues that are published to directly. */
function isPermit({ exchange }: { readonly exchange: string }): boolean {
  return exchange === ''
}

/**
 * The most permits that were counted within any time of this length, whatever kept client and broker waiting: those that
 * may have been counted before or after it are left out.
 */
export function mostWithin(permits: readonly Permit[], lengthMs: number): number {
  const within = ({ askedAt: from }: Permit) =>
    permits.filter(({ askedAt, answeredAt }) => askedAt >= from && answeredAt < from + lengthMs)
  return Math.max(...permits.map((first) => within(first).length))
}
