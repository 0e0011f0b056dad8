import type { Topology } from '@blockmill/core'

import type { ServiceRole } from './service-role.ts'

/** What a user of the broker may do with names that match: regular expressions, as RabbitMQ takes them. */
export interface BrokerPermissions {
  /** Declare and delete. */
  readonly configure: string
  /** Publish to an exchange; bind a queue. */
  readonly write: string
  /** Consume, purge; bind to an exchange. */
  readonly read: string
}

/**
 * The least that each role needs. What follows from RabbitMQ's rules (https://www.rabbitmq.com/docs/access-control): to declare a queue
 * that dead-letters, a user must be allowed to read it and to write to the exchange; to bind it, to write to the
 * queue and to read the exchange. Exchanges, and the queues of the monitor, belong to the monitor; others only
 * look whether they are there.
 */
export function brokerPermissions(topology: Topology): Readonly<Record<ServiceRole, BrokerPermissions>> {
  const { exchanges, monitorQueue, namespace } = topology
  const { tasks, work, events, delay, redeliver, parked, dead, control, reply, results } = exchanges
  const workQueues = family(`${namespace}.work`)
  const delayQueues = family(`${namespace}.delay`)
  const rateQueues = family(`${namespace}.rate`)
  // Queues that live as long as the connection of whoever hears the exchange.
  const controlQueues = family(control)
  const replyQueues = family(reply)
  // Of these, exchange and queue have one name.
  const ofMonitor = [monitorQueue, parked, dead, results]

  const workerExchanges = [tasks, events, delay, redeliver, dead, control, reply, results]

  return {
    scheduler: {
      configure: anyOf(workQueues, replyQueues),
      write: anyOf(tasks, work, events, redeliver, dead, control, workQueues, replyQueues),
      read: anyOf(tasks, work, redeliver, reply, workQueues, replyQueues),
    },
    worker: {
      configure: anyOf(workQueues, delayQueues, rateQueues, controlQueues),
      // A rate limit that all workers share is kept in a queue that is published to by its name: through the default exchange.
      write: anyOf(...workerExchanges, 'amq.default', workQueues, delayQueues, controlQueues),
      read: anyOf(tasks, work, delay, redeliver, control, workQueues, delayQueues, controlQueues),
    },
    monitor: {
      configure: anyOf(...Object.values(exchanges), ...ofMonitor, workQueues, controlQueues, replyQueues),
      write: anyOf(tasks, redeliver, control, reply, ...ofMonitor, workQueues, controlQueues, replyQueues),
      read: anyOf(tasks, work, events, redeliver, control, reply, ...ofMonitor, workQueues, controlQueues, replyQueues),
    },
    operator: {
      configure: anyOf(workQueues, replyQueues),
      write: anyOf(tasks, redeliver, dead, control, workQueues, replyQueues),
      read: anyOf(tasks, work, redeliver, reply, workQueues, replyQueues),
    },
    producer: { configure: NOTHING, write: anyOf(tasks), read: NOTHING },
  }
}

/** Matches no name but the empty one, which RabbitMQ gives to nothing. */
const NOTHING = '^$'

/** The names that begin with this one and a dot. */
interface Family {
  readonly prefix: string
}
const family = (prefix: string): Family => ({ prefix })

/** Names are anchored: `blockmill.dead` must not let into `blockmill.dead-end`, nor one installation into another. */
function anyOf(...names: readonly (string | Family)[]): string {
  const patterns = names.map((name) => (typeof name === 'string' ? escape(name) : `${escape(name.prefix)}\\..+`))
  return `^(${[...new Set(patterns)].toSorted((a, b) => (a < b ? -1 : 1)).join('|')})$`
}

/** Names hold letters, digits, `-`, `_` and `.`; a monitor queue of another name may hold more. */
function escape(name: string): string {
  return name.replaceAll(/[^\w-]/g, String.raw`\$&`)
}
