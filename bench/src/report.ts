/** One measured value. */
export interface Result {
  readonly benchmark: string
  /** What was measured, settings included. */
  readonly what: string
  /** Not a number where it could not be measured, as `what` then says; `null` in JSON. */
  readonly value: number
  readonly unit: string
  /** What it must reach, or may not exceed. */
  readonly bar?: number
  /** Which of the two. Default `atLeast`. */
  readonly barIs?: 'atLeast' | 'atMost'
}

/** False when the value misses its bar. */
export function isReached({ value, bar, barIs = 'atLeast' }: Result): boolean {
  return bar === undefined || (barIs === 'atLeast' ? value >= bar : value <= bar)
}

/** The results as a table for a terminal. */
export function printResults(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.benchmark,
    result.what,
    Number.isNaN(result.value) ? '–' : `${format(result.value)} ${result.unit}`,
    describeBar(result),
  ])
  const table = [['benchmark', 'what', 'measured', 'bar'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('')
}

function describeBar(result: Result): string {
  if (result.bar === undefined) return ''
  const sign = result.barIs === 'atMost' ? '≤' : '≥'
  return `${isReached(result) ? 'reached' : 'MISSED'} (${sign} ${format(result.bar)})`
}

function format(value: number): string {
  return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}
