import { setTimeout as delay } from 'node:timers/promises'

import { stateText } from './job-text.ts'
import type { ProgressBar } from './progress-bar.ts'

const LOOK_EVERY_MS = 500
/** The state of a job of a million batches takes about a second to count: whoever watches it must not keep the database at that. */
const REST = 4

/** How a durable job is, as far as watching it goes. */
export interface WatchedJob<State extends string = string> {
  readonly state: State
  /** What it waits for, say. */
  readonly note: string | null
  readonly done: number
  readonly total: number | null
  readonly blocksPerSecond: number
}

export interface WatchOptions<State extends string> {
  readonly isOver: (state: State) => boolean
  readonly progress: ProgressBar
  /** Is told the state and its note whenever they change. */
  readonly tell: (line: string) => void
  readonly signal: AbortSignal
  /** Time between two looks, at least. Default 500 ms. */
  readonly everyMs?: number
}

/** Shows a job's progress until it is over, or the signal aborts. Throws what `look` throws. */
export async function watchJob<State extends string>(
  look: () => Promise<WatchedJob<State>>,
  { isOver, progress, tell, signal, everyMs = LOOK_EVERY_MS }: WatchOptions<State>,
): Promise<void> {
  let told = ''
  while (true) {
    const begunMs = performance.now()
    const job = await look()
    const tookMs = performance.now() - begunMs
    const note = stateText(job.state, job.note)
    if (note !== told) {
      progress.end()
      tell(note)
      told = note
    }
    if (isOver(job.state) || signal.aborted) {
      progress.end()
      return
    }
    if (job.total !== null) progress.show({ done: job.done, total: job.total, perSecond: job.blocksPerSecond })
    // The signal ends the wait; the next look is the last.
    await delay(Math.max(everyMs, REST * tookMs), undefined, { signal }).catch(() => undefined)
  }
}

/** Says on standard error what a job waits for, if anything. */
export function tellWaiting(state: string, note: string | null): void {
  if (note !== null) process.stderr.write(`${stateText(state, note)}\n`)
}
