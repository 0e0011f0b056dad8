import { createKeyTable } from './key-table.ts'
import { createRecentKeys } from './recent-keys.ts'
import type { WorkUnit } from './work-unit.ts'

/** Finished units that are remembered. A redelivery follows its cut within seconds, or goes to another worker. */
const REMEMBERED = 10_000
/** The prefetch of a lane or two of the default concurrency, and fast enough for some thousands. */
const HELD_BUCKETS = 512

/** The units that a worker holds, from their arrival until they are acked, and the last that it finished. */
export interface UnitTable {
  readonly size: number
  find(key: string): WorkUnit | undefined
  add(unit: WorkUnit): void
  /** Forgets a unit that was given back or will be delivered again. */
  remove(unit: WorkUnit): void
  /** Forgets a unit whose outcome is confirmed, but for its key. */
  finish(unit: WorkUnit): void
  /**
   * True when this worker finished the message a short time ago and everything that it caused is confirmed. It then comes
   * again only because its ack was lost, and can be acked at once.
   */
  hasFinished(key: string): boolean
}

export function createUnitTable(): UnitTable {
  const units = createKeyTable<WorkUnit>(HELD_BUCKETS)
  const finished = createRecentKeys(REMEMBERED)

  const remove = (unit: WorkUnit): void => {
    if (units.get(unit.key) === unit) units.delete(unit.key)
  }

  return {
    get size() {
      return units.size
    },
    find: (key) => units.get(key),
    add: (unit) => units.set(unit.key, unit),
    remove,
    finish(unit) {
      remove(unit)
      finished.add(unit.key)
    },
    hasFinished: (key) => finished.has(key),
  }
}
