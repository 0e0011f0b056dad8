import {
  type AnyRangeTaskDefinition,
  type AnyTaskDefinition,
  type Delivery,
  LANES,
  type TaskItem,
  type TaskMessage,
  type TaskRegistry,
} from '@blockmill/core'

/** What a worker executes: a task for blocks, or one for the batches of range jobs. */
export type AnyDefinition = AnyTaskDefinition | AnyRangeTaskDefinition

/** The definition of this name. */
export function findDefinition(registry: TaskRegistry, name: string): AnyDefinition | undefined {
  return registry.get(name) ?? registry.getRangeTask(name)
}

/** All definitions: those for blocks first. */
export function listDefinitions(registry: TaskRegistry): readonly AnyDefinition[] {
  return [...registry.list(), ...registry.listRangeTasks()].map(({ definition }) => definition)
}

/**
 * A message that has waited longer for a slot is given back, to be delivered anew. RabbitMQ counts the time from the delivery to the
 * ack, half an hour by default, so what it waits is lost to its handler.
 */
export const LONGEST_WAIT_FOR_SLOT_MS = 5 * 60_000

/** A message that a worker holds, and how far its items have come. It is acked when each of them is settled. */
export interface WorkUnit {
  /** The same for every delivery of the same message: see `unitKey`. */
  readonly key: string
  readonly message: TaskMessage
  readonly definition: AnyDefinition
  /** The items to run: those of the message, less any that were refused. */
  readonly items: readonly TaskItem[]
  /**
   * Usually one. A message that is delivered again while this worker still works on it, because a connection broke or a
   * publisher repeated itself, joins the work under way instead of running a second time.
   */
  readonly deliveries: Delivery[]
  readonly laneRank: number
  /** When it was scheduled, in Unix milliseconds: its age among messages of equal priority. */
  readonly scheduledAtMs: number
  /** When it was allowed to run, in Unix milliseconds: the end of a deliberate delay, or when it was scheduled. */
  readonly dueAtMs: number
  /** When it was delivered, in Unix milliseconds. */
  readonly arrivedAtMs: number
  /** Order of arrival, which decides between messages of the same age. */
  readonly sequence: number
  /** Items handed out to be run so far. */
  started: number
  /** Parts that are not confirmed by the broker yet. */
  unsettled: number
  /** True once its deliveries are void and what is not finished is left to the broker to deliver again: it is never acked. */
  left: boolean
}

/** What tells two deliveries of one message from two messages: who it is for, and how far it had come. */
export function unitKey({ items, attempt, postpones, generation = 0 }: TaskMessage): string {
  return `${items[0]?.id}/${items.length}/${generation}/${attempt}/${postpones}`
}

/** Makes the unit of a message that may run. */
export function createWorkUnit(
  delivery: Delivery,
  message: TaskMessage,
  definition: AnyDefinition,
  {
    items = message.items,
    arrivedAtMs,
    sequence,
  }: { readonly items?: readonly TaskItem[]; readonly arrivedAtMs: number; readonly sequence: number },
): WorkUnit {
  const scheduledAtMs = Date.parse(message.scheduledAt)
  return {
    key: unitKey(message),
    message,
    definition,
    items,
    deliveries: [delivery],
    laneRank: LANES.indexOf(message.lane),
    scheduledAtMs,
    dueAtMs: message.notBefore === undefined ? scheduledAtMs : Date.parse(message.notBefore),
    arrivedAtMs,
    sequence,
    started: 0,
    unsettled: items.length,
    left: false,
  }
}

/** True while at least one delivery of the unit can be acked. When none can, the broker will deliver the message again. */
export function isLive(unit: WorkUnit): boolean {
  return unit.deliveries.some((delivery) => delivery.isLive())
}

/** How often the message was given out before without an outcome, as the broker counts it. */
export function deliveryCount({ deliveries }: WorkUnit): number {
  return deliveries[0]?.deliveryCount ?? 0
}

/** Negative when `a` runs before `b`: lane, then priority (lower first), then age, then arrival. */
export function compareUnits(a: WorkUnit, b: WorkUnit): number {
  return (
    a.laneRank - b.laneRank ||
    a.message.priority - b.message.priority ||
    a.scheduledAtMs - b.scheduledAtMs ||
    a.sequence - b.sequence
  )
}
