import { type BackfillJob, type BlockSet, RetryableError, union } from '@blockmill/core'

import type { BackfillStore, JobReport, RecordedPart } from '../src/backfill/backfill-store.ts'
import type { MemoryCoverageStore } from './memory-coverage-store.ts'

/** Back-fill jobs in memory, with the coverage that they share with the followers. */
export interface MemoryBackfillStore extends BackfillStore {
  create(job: BackfillJob): void
  job(id: string): BackfillJob
  set(id: string, change: Partial<BackfillJob>): void
  part(id: string): RecordedPart & { readonly scheduled: number }
  readonly reports: readonly JobReport[]
  /** Makes the next writes of progress fail with this. */
  failNext(times: number, error: Error): void
}

interface Part extends RecordedPart {
  readonly scheduled: number
}

export function createMemoryBackfillStore(coverage: MemoryCoverageStore, token = 1): MemoryBackfillStore {
  const jobs = new Map<string, BackfillJob>()
  const parts = new Map<string, Part[]>()
  const reports: JobReport[] = []
  let failures: { left: number; error: Error } | undefined
  const job = (id: string): BackfillJob => {
    const found = jobs.get(id)
    if (found === undefined) throw new RetryableError('DATABASE_UNREACHABLE', `There is no job ${id}.`)
    return found
  }
  const set = (id: string, change: Partial<BackfillJob>): void => void jobs.set(id, { ...job(id), ...change })

  return {
    reports,
    job,
    set,
    create: (one) => void jobs.set(one.id, one),
    part: (id) => parts.get(id)?.[0] ?? { argsHash: '', args: {}, target: [], evaluated: [], scheduled: 0 },
    failNext(times, error) {
      failures = { left: times, error }
    },
    open: async () => [...jobs.values()].filter(({ state }) => state === 'pending' || state === 'running'),
    parts: async (id) => parts.get(id) ?? [],
    async start(id, planned) {
      if (!parts.has(id))
        parts.set(
          id,
          planned.map((part) => ({ ...part, evaluated: [], scheduled: 0 })),
        )
      if (job(id).state === 'pending') set(id, { state: 'running' })
    },
    async progress({ job: id, coverage: key, range, scheduled }) {
      if (failures !== undefined && failures.left > 0) {
        failures.left -= 1
        throw failures.error
      }
      await coverage.add(token, [{ ...key, range }])
      const all = parts.get(id) ?? []
      parts.set(
        id,
        all.map((part) =>
          part.argsHash === key.argsHash
            ? { ...part, evaluated: union(part.evaluated, [range]), scheduled: part.scheduled + scheduled }
            : part,
        ),
      )
    },
    adopt: async () => undefined,
    async report(list) {
      reports.push(...list)
      for (const { job: id, note } of list) set(id, { error: note })
    },
    async finish(id, move, error) {
      if (job(id).state === 'running') set(id, { state: move === 'fail' ? 'failed' : 'completed', error })
    },
  }
}

/** A job that was just put on record. */
export function backfillJob(change: Partial<BackfillJob> & Pick<BackfillJob, 'from' | 'to'>): BackfillJob {
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    chain: 'dev',
    task: 'a',
    head: 'finalized',
    args: null,
    chunk: null,
    window: null,
    rate: null,
    force: false,
    generation: 0,
    state: 'pending',
    createdBy: 'test',
    createdAt: new Date(0),
    startedAt: null,
    finishedAt: null,
    error: null,
    ...change,
  }
}

/** Blocks `from` to `to` as a set. */
export function blocks(from: number, to: number): BlockSet {
  return [{ from, to }]
}
