import { MAX_DELAY_MS } from '../task/retry-policy.ts'

/** Smallest step of the ladder unless configured otherwise. */
export const SMALLEST_DELAY_MS = 1_000

/**
 * The delays that delay queues exist for, ascending: four steps per octave from the smallest to 7 days, at most 78 with the
 * default. A bounded set, because each is a queue of its own: a per-message TTL would make messages wait for those ahead.
 */
export function delayLadder(smallestMs: number = SMALLEST_DELAY_MS): readonly number[] {
  const steps: number[] = []
  for (let step = 0; ; step += 1) {
    const delay = Math.round(smallestMs * 2 ** (step / 4))
    if (delay >= MAX_DELAY_MS) break
    steps.push(delay)
  }
  return [...steps, MAX_DELAY_MS]
}

/**
 * The next step of an exact delay. Where a step ends the wait at most one smallest step late, it is that one. Otherwise it
 * is the largest that leaves more than a smallest step, which is waited for in further, shorter steps. So a delay is never
 * below what was asked, and never more than one smallest step above.
 */
export function exactStep(ladder: readonly number[], delayMs: number): number {
  const smallest = ladder[0] as number
  const last = ladder.find((step) => step >= delayMs)
  if (last !== undefined && last - delayMs <= smallest) return last
  return ladder.findLast((step) => step < delayMs - smallest) ?? smallest
}

/**
 * A random step in [delay / 2, delay]: one hop, and retries of tasks that failed together are spread.
 *
 * @param random a number in [0, 1).
 */
export function jitteredStep(ladder: readonly number[], delayMs: number, random: number): number {
  const steps = ladder.filter((step) => step >= delayMs / 2 && step <= delayMs)
  return steps[Math.floor(random * steps.length)] ?? exactStep(ladder, delayMs)
}
