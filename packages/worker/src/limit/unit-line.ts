import { compareUnits, type WorkUnit } from '../consume/work-unit.ts'

/** The units that wait for one set of rate limits, in the order in which they start. Sorted, because both ends are taken from. */
export interface UnitLine {
  readonly first: WorkUnit | undefined
  readonly last: WorkUnit | undefined
  readonly size: number
  /** Items that are not started yet. */
  readonly items: number
  push(unit: WorkUnit): void
  /** Hands out the next item of the first unit, which leaves with its last item. */
  start(): void
  removeLast(): void
  /** Takes out every unit that the predicate is true for. */
  remove(predicate: (unit: WorkUnit) => boolean): WorkUnit[]
}

export function createUnitLine(): UnitLine {
  let units: WorkUnit[] = []
  let items = 0

  const insertAt = (unit: WorkUnit): number => {
    let [from, to] = [0, units.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (compareUnits(units[middle] as WorkUnit, unit) < 0) from = middle + 1
      else to = middle
    }
    return from
  }

  return {
    get first() {
      return units[0]
    },
    get last() {
      return units.at(-1)
    },
    get size() {
      return units.length
    },
    get items() {
      return items
    },
    push(unit) {
      units.splice(insertAt(unit), 0, unit)
      items += notStarted(unit)
    },
    start() {
      const [unit] = units
      if (unit === undefined) return
      unit.started += 1
      items -= 1
      if (notStarted(unit) === 0) units.shift()
    },
    removeLast() {
      const last = units.pop()
      if (last !== undefined) items -= notStarted(last)
    },
    remove(predicate) {
      const removed = units.filter(predicate)
      if (removed.length === 0) return removed
      units = units.filter((unit) => !removed.includes(unit))
      items = units.reduce((sum, unit) => sum + notStarted(unit), 0)
      return removed
    },
  }
}

/** Items of a unit that are not started yet. */
export function notStarted({ items, started }: WorkUnit): number {
  return items.length - started
}
