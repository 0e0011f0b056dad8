import { type ControlBroker, controlMessage, publishControl } from '@blockmill/core'

/** Most tasks in one cancel. */
const TASKS_PER_CANCEL = 1_000

/**
 * Calls tasks off, as far as they were planned until a time: a later run of them is not meant. Resolves when the broker has confirmed
 * the orders.
 */
export async function cancelTasks(
  broker: ControlBroker,
  taskIds: readonly string[],
  order: { readonly by: string; readonly nowMs: number },
): Promise<void> {
  const cancelling = inParts(taskIds, TASKS_PER_CANCEL).map((part) =>
    publishControl(broker, controlMessage({ type: 'cancel', taskIds: part }, order)),
  )
  await Promise.all(cancelling)
}

/** A list in parts of at most this size. */
export function inParts<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
