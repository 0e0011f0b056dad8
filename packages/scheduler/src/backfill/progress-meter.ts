/** Blocks, or whatever else is counted, in a second over the last minute, or since the start when that was later. */
export interface ProgressMeter {
  add(blocks: number, nowMs: number): void
  perSecond(nowMs: number): number
}

/**
 * @param windowMs over which time the rate is taken.
 * @param sampleMs how long what is added is counted together.
 */
export function createProgressMeter(startedAtMs: number, windowMs = 60_000, sampleMs = 1_000): ProgressMeter {
  let samples: { readonly fromMs: number; blocks: number }[] = []
  return {
    add(blocks, nowMs) {
      const last = samples.at(-1)
      if (last !== undefined && nowMs - last.fromMs < sampleMs) last.blocks += blocks
      else samples.push({ fromMs: nowMs, blocks })
    },
    perSecond(nowMs) {
      samples = samples.filter(({ fromMs }) => nowMs - fromMs < windowMs)
      const overMs = Math.min(windowMs, Math.max(sampleMs, nowMs - startedAtMs))
      return samples.reduce((sum, { blocks }) => sum + blocks, 0) / (overMs / 1_000)
    },
  }
}
