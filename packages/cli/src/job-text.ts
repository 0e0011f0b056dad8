import { type BlockSet, formatDuration } from '@blockmill/core'

/** What jobs of both kinds have in common: back-fills and range jobs. */
export interface JobOutline {
  readonly id: string
  readonly task: string
  readonly chain: string
  readonly from: number
  readonly to: number
  readonly state: string
  readonly done: number
  /** `null` while it is not known. */
  readonly total: number | null
  readonly blocksPerSecond: number
  readonly etaSeconds: number | null
}

/** The first lines of a job's description: what it does and how, its state and why, and how far it is. */
export function outlineLines(job: JobOutline, options: readonly string[], note: string | null): string[] {
  const left = timeLeft(job)
  return [
    `${job.id}: ${[`${job.task} on ${job.chain}`, `blocks ${job.from} to ${job.to}`, ...options].join(', ')}`,
    stateText(job.state, note),
    `${job.done} of ${job.total ?? '?'} blocks done, ${Math.round(job.blocksPerSecond)}/s${left === '-' ? '' : `, ${left} left`}`,
  ]
}

/** A job's state, and what it waits for or why it ended so. */
export function stateText(state: string, note: string | null): string {
  return note === null ? state : `${state}: ${note}`
}

/** The time that is left of a job; `-` where nobody can tell, or nothing is left. */
export function timeLeft({ etaSeconds }: { readonly etaSeconds: number | null }): string {
  return etaSeconds === null || etaSeconds === 0 ? '-' : formatDuration(Math.ceil(etaSeconds) * 1_000)
}

/** Ranges of blocks such as `1-5, 9, …`; the dots are for those that are not shown. */
export function rangesText(
  { ranges, isCut }: { readonly ranges: BlockSet; readonly isCut: boolean },
  { most }: { readonly most: number },
): string {
  if (ranges.length === 0) return '-'
  const shown = ranges.slice(0, most).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return `${shown.join(', ')}${isCut || ranges.length > most ? ', …' : ''}`
}
