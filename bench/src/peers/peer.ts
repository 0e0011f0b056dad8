/** What was measured of another system, with jobs that do nothing. */
export interface PeerRates {
  readonly name: string
  readonly version: string
  /** Settings that decide how fast and how durable it is. */
  readonly settings: string
  readonly jobs: number
  /** Jobs accepted in a second while none runs. */
  readonly addPerSecond: number
  /** Jobs ended in a second while none is added, from the first that runs. */
  readonly runPerSecond: number
}

/** A system that cannot be measured here. */
export interface MissingPeer {
  readonly name: string
  /** What is not there, and how to install it. */
  readonly missing: string
}

/** Jobs in a second when adding and running take turns. */
export function combinedPerSecond({
  addPerSecond,
  runPerSecond,
}: Pick<PeerRates, 'addPerSecond' | 'runPerSecond'>): number {
  return 1 / (1 / addPerSecond + 1 / runPerSecond)
}

/** Jobs in a second, from one moment to a later one in milliseconds. */
export function ratePerSecond(jobs: number, fromMs: number, toMs: number): number {
  return (jobs * 1_000) / (toMs - fromMs)
}
