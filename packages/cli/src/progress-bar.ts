import { formatDuration } from '@blockmill/core'

/** Where progress is shown: standard error, or what stands for it in a test. */
export interface BarOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows how far something long is, with its rate and when it will be done. */
export interface ProgressBar {
  /** @param progress `perSecond` where somebody else measures the rate; else it is that since the bar was made. */
  show(progress: { readonly done: number; readonly total: number; readonly perSecond?: number }): void
  /** Takes the bar away. What was written as lines stays. */
  end(): void
}

export interface ProgressBarOptions {
  readonly output: BarOutput
  /** What is counted, in the plural: `blocks`. */
  readonly unit: string
  /** Milliseconds; default the process's clock. */
  readonly now?: () => number
}

const WIDTH = 30
/** How often the bar is drawn, and how often a line is written where lines cannot be replaced. */
const DRAW_EVERY_MS = 100
const PLAIN_LINE_MS = 5_000

/** On a terminal, a bar that replaces itself; elsewhere a line every five seconds, so that short work shows nothing. */
export function createProgressBar({ output, unit, now = () => performance.now() }: ProgressBarOptions): ProgressBar {
  const isLive = output.isTTY === true
  const startedAt = now()
  let shownAt = isLive ? Number.NEGATIVE_INFINITY : startedAt
  let isShown = false

  return {
    show({ done, total, perSecond }) {
      const at = now()
      if (at - shownAt < (isLive ? DRAW_EVERY_MS : PLAIN_LINE_MS)) return
      shownAt = at
      isShown = true
      const seconds = (at - startedAt) / 1_000
      const text = describe(done, total, unit, perSecond ?? (seconds === 0 ? 0 : done / seconds))
      output.write(isLive ? `\r\u001B[2K${bar(done, total)} ${text}` : `${text}\n`)
    },
    end() {
      if (isLive && isShown) output.write('\r\u001B[2K')
      isShown = false
    },
  }
}

function bar(done: number, total: number): string {
  const filled = total === 0 ? WIDTH : Math.floor((done / total) * WIDTH)
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}]`
}

function describe(done: number, total: number, unit: string, rate: number): string {
  const percent = total === 0 ? 100 : Math.floor((done / total) * 100)
  const left = rate === 0 ? '' : `, ${formatDuration(Math.ceil((total - done) / rate) * 1_000)} left`
  return `${percent} %, ${done} of ${total} ${unit}, ${Math.round(rate)}/s${left}`
}
