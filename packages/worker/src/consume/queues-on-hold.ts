import type { WorkUnit } from './work-unit.ts'

/** Broker queues of which nothing is started, because they are paused, with what they had delivered. */
export interface QueuesOnHold {
  /** Units of all of them. */
  readonly size: number
  /** Puts a queue on hold. False when it was already. */
  add(queue: string): boolean
  /** Keeps a unit if its queue is on hold; false when it is not. */
  takes(queue: string, unit: WorkUnit): boolean
  /** Takes out what is held of a queue, which stays on hold. */
  take(queue: string): readonly WorkUnit[]
  /** Ends the hold of a queue, and returns what was held. */
  end(queue: string): readonly WorkUnit[]
  /** Takes out every unit that the predicate is true for. */
  remove(predicate: (unit: WorkUnit) => boolean): readonly WorkUnit[]
}

export function createQueuesOnHold(): QueuesOnHold {
  const queues = new Map<string, WorkUnit[]>()

  return {
    get size() {
      let size = 0
      for (const units of queues.values()) size += units.length
      return size
    },
    add(queue) {
      if (queues.has(queue)) return false
      queues.set(queue, [])
      return true
    },
    takes(queue, unit) {
      const units = queues.get(queue)
      units?.push(unit)
      return units !== undefined
    },
    take: (queue) => queues.get(queue)?.splice(0) ?? [],
    end(queue) {
      const units = queues.get(queue) ?? []
      queues.delete(queue)
      return units
    },
    remove(predicate) {
      const removed: WorkUnit[] = []
      for (const [queue, units] of queues) {
        const kept: WorkUnit[] = []
        for (const unit of units) (predicate(unit) ? removed : kept).push(unit)
        queues.set(queue, kept)
      }
      return removed
    },
  }
}
