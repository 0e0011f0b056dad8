import type { DemoProgress } from './demo-record.ts'

/** Where progress is shown: standard output, or what stands for it in a test. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows progress. What is written after it begins on a line of its own, and is the last: the next show would hide it. */
export interface ProgressView {
  show(progress: DemoProgress & { readonly head: number }): void
}

/** How often a line is written where lines cannot be replaced. */
const PLAIN_LINE_MS = 5_000

/** On a terminal, one block that replaces itself; elsewhere, a line every five seconds. */
export function createProgressView(output: ProgressOutput, now: () => number = Date.now): ProgressView {
  return output.isTTY === true ? createLiveView(output) : createPlainView(output, now)
}

function createLiveView(output: ProgressOutput): ProgressView {
  let shownLines = 0
  return {
    show(progress) {
      const lines = [
        `  head ${progress.head}, evaluated to ${progress.evaluatedTo}`,
        `  ${counts(progress)
          .map(([word, count]) => `${word} ${count}`)
          .join('   ')}`,
      ]
      const back = shownLines === 0 ? '' : `\u001B[${shownLines}A`
      output.write(`${back}${lines.map((line) => `\u001B[2K${line}\n`).join('')}`)
      shownLines = lines.length
    },
  }
}

function createPlainView(output: ProgressOutput, now: () => number): ProgressView {
  let lastAt = -Infinity
  return {
    show(progress) {
      if (now() - lastAt < PLAIN_LINE_MS) return
      lastAt = now()
      const all = [['head', progress.head], ['evaluated to', progress.evaluatedTo], ...counts(progress)]
      output.write(`${all.map(([word, count]) => `${word} ${count}`).join(', ')}\n`)
    },
  }
}

function counts({ scheduled, running, waiting, succeeded, retried, failed }: DemoProgress): [string, number][] {
  return Object.entries({ scheduled, running, waiting, succeeded, retried, failed })
}
