import type { Metrics } from '@blockmill/core'
import { Counter } from 'prom-client'

/** Why nobody was let in: the credentials open nothing, or too many such came from the same address. */
export type LoginRefusal = 'wrong' | 'too_many'

/** Counts logins that were refused. Requests without credentials are none: browsers begin with one. */
export interface LoginMetrics {
  refused(reason: LoginRefusal): void
}

/** See `LoginMetrics`. */
export function createLoginMetrics(register: Metrics): LoginMetrics {
  const refused = new Counter({
    name: 'blockmill_logins_refused_total',
    help: 'Requests with credentials that were refused: wrong ones, and all from an address that has sent too many of them.',
    labelNames: ['reason'],
    registers: [register],
  })
  return { refused: (reason) => refused.inc({ reason }) }
}
