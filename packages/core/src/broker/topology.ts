import { LANES, type Lane } from '../task/lane.ts'
import { assertQueueName } from '../task/queue-name.ts'
import type { RateLimit } from '../task/rate-limit.ts'

/** A quorum queue gives a message to this many consumers that die with it, then dead-letters it. */
export const DELIVERY_LIMIT = 20

/** An exchange to declare. */
export interface ExchangeDeclaration {
  readonly type: 'topic' | 'direct' | 'fanout'
  readonly name: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** A queue to declare. Always durable; a quorum queue, but for the queues of rate limits. */
export interface QueueDeclaration {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** A binding to declare. */
export interface BindingDeclaration {
  readonly queue: string
  readonly exchange: string
  readonly pattern: string
}

/** What is declared together. Declaring it twice changes nothing. */
export interface Declarations {
  readonly exchanges: readonly ExchangeDeclaration[]
  readonly queues: readonly QueueDeclaration[]
  readonly bindings: readonly BindingDeclaration[]
}

/** Every name on the broker, and what is declared under it. Pure: nothing here talks to a broker. */
export interface Topology {
  readonly namespace: string
  readonly exchanges: {
    readonly tasks: string
    /** Past the monitor: for tasks that it is told of by other messages. */
    readonly work: string
    readonly events: string
    readonly delay: string
    readonly redeliver: string
    readonly parked: string
    readonly dead: string
    readonly control: string
    readonly reply: string
    readonly results: string
  }
  readonly monitorQueue: string
  readonly parkedQueue: string
  readonly deadQueue: string
  /** Takes the rows of range jobs. */
  readonly resultsQueue: string
  workQueue(queue: string, lane: Lane): string
  delayQueue(delayMs: number): string
  /** `task.<queue>.<lane>`, on the exchanges of tasks and of work. */
  taskKey(queue: string, lane: Lane): string
  /** `event.<kind>`, on the events exchange. */
  eventKey(kind: string): string
  /** `d<ms>.<queue>.<lane>`, on the delay exchange; kept by the message through the redeliver exchange. */
  delayKey(delayMs: number, queue: string, lane: Lane): string
  /** `rows.<job id>`, on the results exchange. */
  rowsKey(job: string): string
  /** Exchanges, monitor, parked, dead and results queues: what every process needs. */
  base(): Declarations
  /** The work queues of a logical queue, one for each lane. */
  work(queue: string): Declarations
  /** One step of the delay ladder, declared on first use. */
  delay(delayMs: number): Declarations
  /** The queue of a rate limit that all workers share. Its name carries what its arguments depend on. */
  rateQueue(limited: RateLimited, limit: Pick<RateLimit, 'limit' | 'perMs'>): string
  /**
   * A queue that nobody consumes: it takes as many messages as may start in a window, and each leaves it by itself when the
   * window is over. What it takes may start; what it refuses may not.
   */
  rate(limited: RateLimited, limit: Pick<RateLimit, 'limit' | 'perMs'>): Declarations
}

/** What a rate limit is for. */
export interface RateLimited {
  readonly kind: 'task' | 'queue'
  readonly name: string
}

export interface TopologyOptions {
  /** First part of every name, so that several installations can share a virtual host. Default `blockmill`. */
  readonly namespace?: string
  /** Name of the monitor's queue. Default `<namespace>.monitor`. */
  readonly monitorQueue?: string
}

const QUORUM = { 'x-queue-type': 'quorum' } as const

/** What consumers cannot get done goes to the dead queue, and nothing is lost on the way there. */
const withDeadLetters = (deadExchange: string): Readonly<Record<string, unknown>> => ({
  ...QUORUM,
  'x-delivery-limit': DELIVERY_LIMIT,
  'x-dead-letter-exchange': deadExchange,
  'x-dead-letter-strategy': 'at-least-once',
  // At-least-once dead-lettering is refused by the broker without it.
  'x-overflow': 'reject-publish',
})

/**
 * The topology of an installation. The same declarations hold on RabbitMQ 3.10, 3.13 and 4.x.
 *
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` when the namespace or a queue's name would break a routing key.
 */
export function createTopology({ namespace = 'blockmill', monitorQueue }: TopologyOptions = {}): Topology {
  assertQueueName(namespace, 'namespace')
  const named = (name: string): string => `${namespace}.${name}`
  const exchanges = {
    tasks: named('tasks'),
    work: named('work'),
    events: named('events'),
    delay: named('delay'),
    redeliver: named('redeliver'),
    parked: named('parked'),
    dead: named('dead'),
    control: named('control'),
    reply: named('reply'),
    results: named('results'),
  }
  const monitor = monitorQueue ?? named('monitor')
  const keptWithoutQueue = { 'alternate-exchange': exchanges.parked }
  const workQueue = (queue: string, lane: Lane): string => named(`work.${queue}.${lane}`)
  const delayQueue = (delayMs: number): string => named(`delay.${delayMs}`)
  const rateQueue: Topology['rateQueue'] = ({ kind, name }, { limit, perMs }) =>
    named(`rate.${kind}.${name}.${limit}-${perMs}`)
  const taskKey = (queue: string, lane: Lane): string => `task.${queue}.${lane}`

  return {
    namespace,
    exchanges,
    monitorQueue: monitor,
    parkedQueue: named('parked'),
    deadQueue: named('dead'),
    resultsQueue: named('results'),
    workQueue,
    delayQueue,
    rateQueue,
    taskKey,
    eventKey: (kind) => `event.${kind}`,
    delayKey: (delayMs, queue, lane) => `d${delayMs}.${queue}.${lane}`,
    rowsKey: (job) => `rows.${job}`,
    base: () => ({
      exchanges: [
        { type: 'topic', name: exchanges.tasks },
        { type: 'topic', name: exchanges.events },
        { type: 'topic', name: exchanges.delay },
        { type: 'topic', name: exchanges.dead },
        { type: 'fanout', name: exchanges.parked },
        { type: 'fanout', name: exchanges.control },
        { type: 'topic', name: exchanges.reply },
        { type: 'topic', name: exchanges.results },
        // What finds no work queue is kept, not dropped: on its way past the monitor, and coming out of a delay queue.
        { type: 'direct', name: exchanges.work, arguments: keptWithoutQueue },
        { type: 'topic', name: exchanges.redeliver, arguments: keptWithoutQueue },
      ],
      queues: [
        { name: monitor, arguments: QUORUM },
        { name: named('parked'), arguments: QUORUM },
        { name: named('dead'), arguments: QUORUM },
        { name: named('results'), arguments: withDeadLetters(exchanges.dead) },
      ],
      bindings: [
        { queue: monitor, exchange: exchanges.tasks, pattern: '#' },
        { queue: monitor, exchange: exchanges.events, pattern: '#' },
        { queue: named('parked'), exchange: exchanges.parked, pattern: '' },
        { queue: named('dead'), exchange: exchanges.dead, pattern: '#' },
        { queue: named('results'), exchange: exchanges.results, pattern: '#' },
      ],
    }),
    work(queue) {
      assertQueueName(queue, 'queue')
      return {
        exchanges: [],
        queues: LANES.map((lane) => ({
          name: workQueue(queue, lane),
          arguments: withDeadLetters(exchanges.dead),
        })),
        bindings: LANES.flatMap((lane) => [
          { queue: workQueue(queue, lane), exchange: exchanges.tasks, pattern: taskKey(queue, lane) },
          { queue: workQueue(queue, lane), exchange: exchanges.work, pattern: taskKey(queue, lane) },
          { queue: workQueue(queue, lane), exchange: exchanges.redeliver, pattern: `*.${queue}.${lane}` },
        ]),
      }
    },
    delay: (delayMs) => ({
      exchanges: [],
      queues: [
        {
          name: delayQueue(delayMs),
          arguments: {
            ...QUORUM,
            'x-message-ttl': delayMs,
            'x-dead-letter-exchange': exchanges.redeliver,
            'x-dead-letter-strategy': 'at-least-once',
            'x-overflow': 'reject-publish',
          },
        },
      ],
      bindings: [{ queue: delayQueue(delayMs), exchange: exchanges.delay, pattern: `d${delayMs}.#` }],
    }),
    rate: (limited, { limit, perMs }) => ({
      exchanges: [],
      queues: [
        {
          name: rateQueue(limited, { limit, perMs }),
          arguments: {
            // A quorum queue refuses only once it has told each publisher that it is full, and takes too many until then.
            'x-queue-type': 'classic',
            'x-max-length': limit,
            'x-overflow': 'reject-publish',
            'x-message-ttl': perMs,
          },
        },
      ],
      bindings: [],
    }),
  }
}
