import type { TaskItem } from '@blockmill/core'
import { compareUnits, type WorkUnit } from './work-unit.ts'

/** The units that wait for a slot, in the order in which they get one. A binary heap: prefetch bounds its size. */
export interface UnitBuffer {
  readonly size: number
  push(unit: WorkUnit): void
  /**
   * The next item to run. A unit gives its items one at a time and leaves with the last, so something more urgent that
   * arrives in the middle of a chunk takes the next slot.
   */
  take(): { readonly unit: WorkUnit; readonly item: TaskItem } | undefined
  /** Takes out every unit that the predicate is true for. */
  remove(predicate: (unit: WorkUnit) => boolean): WorkUnit[]
}

/** The buffer of a worker without rate limits, and of what has none. */
export function createUnitBuffer(): UnitBuffer & { readonly first: WorkUnit | undefined } {
  let heap: WorkUnit[] = []

  return {
    get size() {
      return heap.length
    },
    get first() {
      return heap[0]
    },
    push(unit) {
      heap.push(unit)
      rise(heap, heap.length - 1)
    },
    take() {
      const unit = heap[0]
      const item = unit?.items[unit.started]
      if (unit === undefined || item === undefined) return undefined
      unit.started += 1
      if (unit.started === unit.items.length) removeFirst(heap)
      return { unit, item }
    },
    remove(predicate) {
      const removed = heap.filter(predicate)
      if (removed.length === 0) return removed
      const gone = new Set(removed)
      // A sorted list is a heap.
      heap = heap.filter((unit) => !gone.has(unit)).sort(compareUnits)
      return removed
    },
  }
}

function removeFirst(heap: WorkUnit[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  sink(heap, 0)
}

function rise(heap: WorkUnit[], from: number): void {
  let index = from
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!swapIfBefore(heap, index, parent)) return
    index = parent
  }
}

function sink(heap: WorkUnit[], from: number): void {
  let index = from
  for (;;) {
    const left = 2 * index + 1
    const child = isBefore(heap[left + 1], heap[left]) ? left + 1 : left
    if (!swapIfBefore(heap, child, index)) return
    index = child
  }
}

function swapIfBefore(heap: WorkUnit[], lower: number, upper: number): boolean {
  const [a, b] = [heap[lower], heap[upper]]
  if (a === undefined || b === undefined || !isBefore(a, b)) return false
  heap[upper] = a
  heap[lower] = b
  return true
}

function isBefore(a: WorkUnit | undefined, b: WorkUnit | undefined): boolean {
  return a !== undefined && b !== undefined && compareUnits(a, b) < 0
}
