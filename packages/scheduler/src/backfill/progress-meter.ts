/** Over which time the rate is taken. */
const WINDOW_MS = 60_000
/** Blocks are counted together for this long. */
const SAMPLE_MS = 1_000

/** Blocks in a second over the last minute, or since the start when that was later. */
export interface ProgressMeter {
  add(blocks: number, nowMs: number): void
  perSecond(nowMs: number): number
}

export function createProgressMeter(startedAtMs: number): ProgressMeter {
  let samples: { readonly fromMs: number; blocks: number }[] = []
  return {
    add(blocks, nowMs) {
      const last = samples.at(-1)
      if (last !== undefined && nowMs - last.fromMs < SAMPLE_MS) last.blocks += blocks
      else samples.push({ fromMs: nowMs, blocks })
    },
    perSecond(nowMs) {
      samples = samples.filter(({ fromMs }) => nowMs - fromMs < WINDOW_MS)
      const overMs = Math.min(WINDOW_MS, Math.max(SAMPLE_MS, nowMs - startedAtMs))
      return samples.reduce((sum, { blocks }) => sum + blocks, 0) / (overMs / 1_000)
    },
  }
}
