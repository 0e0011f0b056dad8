import { type BlockSet, difference, RetryableError, union } from '@blockmill/core'

import type { Coverage, CoverageKey, CoverageStore } from '../src/coverage/coverage-store.ts'

/** Coverage in memory, to be shared by schedulers that come one after the other. */
export interface MemoryCoverageStore extends CoverageStore {
  /** How many writes there were. */
  readonly writes: number
  /** Takes back what was evaluated on `latest` from this block on. */
  retract(from: number): void
  of(task: string): { readonly startBlock: number; readonly evaluated: BlockSet } | undefined
  /** Only writes with this token are accepted from now on. */
  setToken(token: number): void
  /** Makes the next writes fail as a database does that is away. */
  failNext(times: number): void
}

export function createMemoryCoverageStore(): MemoryCoverageStore {
  const rows = new Map<string, Coverage>()
  let valid: number | undefined
  let failures = 0
  let writes = 0
  const keyOf = ({ task, argsHash, head }: CoverageKey): string => `${task} ${argsHash} ${head}`

  const assertWritable = (token: number): void => {
    if (failures > 0) {
      failures -= 1
      throw new RetryableError('DATABASE_UNREACHABLE', 'The test took the database away.')
    }
    valid ??= token
    if (token !== valid) throw new RetryableError('SCHEDULER_LEASE_LOST', `Token ${token} is not ${valid}.`)
    writes += 1
  }

  return {
    get writes() {
      return writes
    },
    load: async () => [...rows.values()],
    async register(token, coverage) {
      assertWritable(token)
      for (const one of coverage) rows.set(keyOf(one), { ...one, evaluated: rows.get(keyOf(one))?.evaluated ?? [] })
    },
    async add(token, ranges) {
      assertWritable(token)
      for (const { range, ...coverage } of ranges) {
        const row = rows.get(keyOf(coverage)) ?? { ...coverage, evaluated: [] }
        rows.set(keyOf(coverage), { ...row, evaluated: union(row.evaluated, [range]) })
      }
    },
    retract(from) {
      for (const [key, row] of rows) {
        if (row.head !== 'latest') continue
        rows.set(key, { ...row, evaluated: difference(row.evaluated, [{ from, to: Number.MAX_SAFE_INTEGER }]) })
      }
    },
    of: (task) => [...rows.values()].find((row) => row.task === task),
    setToken(token) {
      valid = token
    },
    failNext(times) {
      failures = times
    },
  }
}
