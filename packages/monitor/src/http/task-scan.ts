import { partialIndexStates, type TaskFilter } from './task-filter.ts'

/** How a page of tasks is looked for: which of them are read, in which order, and which of those are shown. */
export interface TaskScan {
  /** Filters that an index answers. */
  readonly read: TaskFilter
  /** Filters that each task is held to that was read. */
  readonly check: TaskFilter
  /** What lists are in the order of, then by id. */
  readonly orderBy: TaskOrder
  /** Most tasks that are read for one page; what is read without a limit is known to be little. */
  readonly most?: number
  /** True when an index alone says which tasks are to be read. */
  readonly isCovered?: boolean
}

/** Lists are by id, which is by block; those of a time by that time, because it has an index, and blocks may be back-filled. */
export type TaskOrder = 'id' | 'finished_at' | 'scheduled_at'

/** How many tasks are on record. Infinite where a filter says nothing about it. */
export interface Candidates {
  /** With the chain, name and states that are asked for: at least as many as fit. */
  readonly matching: number
  /** With the name. */
  readonly named: number
  /** On the queue; from so many on that one page does not read them all, the number says no more than that. */
  readonly queued: number
  /** In any state of the partial index that serves. */
  readonly inIndex: number
}

/** Tasks that are read from the table, each perhaps from another page. */
export const MOST_READ = 2_000
/** Entries that are read from an index alone. */
const MOST_COVERED = 100_000

/** What the partial indexes have of each task, so that the table is not looked at. */
const COVERED: readonly (keyof TaskFilter)[] = ['status', 'name', 'chain']
const BLOCKS = ['blockFrom', 'blockTo'] as const
const FINISHED = ['finishedFrom', 'finishedTo'] as const
const SCHEDULED = ['scheduledFrom', 'scheduledTo'] as const

/**
 * Looks for what fits where it costs least, and bounds what one page may cost: at worst, a page has fewer tasks than there are, and
 * a cursor to go on from.
 *
 * @returns undefined when nothing fits.
 */
export function planTaskScan(
  filter: TaskFilter,
  { matching, named, queued, inIndex }: Candidates,
): TaskScan | undefined {
  if (matching === 0) return undefined
  const hasAny = (keys: readonly (keyof TaskFilter)[]): boolean => keys.some((key) => filter[key] !== undefined)
  const orderBy = hasAny(FINISHED) ? 'finished_at' : hasAny(SCHEDULED) ? 'scheduled_at' : 'id'
  const scan = (keys: readonly (keyof TaskFilter)[], bound: Pick<TaskScan, 'most' | 'isCovered'> = {}): TaskScan => ({
    ...split(filter, keys),
    orderBy,
    ...bound,
  })
  const bounded = { most: MOST_READ }
  const isInIndex = partialIndexStates(filter.status) !== undefined
  const isCovered =
    orderBy === 'id' && (Object.keys(filter) as (keyof TaskFilter)[]).every((key) => COVERED.includes(key))

  if (queued <= MOST_READ) return scan(['queue', ...BLOCKS])
  if (isInIndex && inIndex <= MOST_COVERED) {
    if (isCovered) return scan(COVERED, { most: MOST_COVERED })
    if (matching <= MOST_READ) return scan(COVERED, { isCovered: true })
  }
  if (named <= MOST_READ) return scan(['name', ...BLOCKS])
  if (filter.fingerprint !== undefined) return scan(['fingerprint'])
  if (orderBy === 'finished_at') return scan(FINISHED, bounded)
  if (orderBy === 'scheduled_at') return scan(SCHEDULED, bounded)
  if (isInIndex && inIndex <= named) return scan(['status', ...BLOCKS], bounded)
  if (filter.name !== undefined) return scan(['name', ...BLOCKS], bounded)
  return scan(['queue', ...BLOCKS], bounded)
}

function split(filter: TaskFilter, keys: readonly (keyof TaskFilter)[]): Pick<TaskScan, 'read' | 'check'> {
  const part = (isRead: boolean): TaskFilter =>
    Object.fromEntries(
      Object.entries(filter).filter(([key]) => keys.includes(key as keyof TaskFilter) === isRead),
    ) as TaskFilter
  return { read: part(true), check: part(false) }
}
