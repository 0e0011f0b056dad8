/** One measured value. */
export interface Result {
  readonly benchmark: string
  /** What was measured, settings included. */
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What it must reach. */
  readonly bar?: number
}

/** The results as a table for a terminal. */
export function printResults(results: readonly Result[]): string {
  const rows = results.map(({ benchmark, what, value, unit, bar }) => [
    benchmark,
    what,
    `${format(value)} ${unit}`,
    bar === undefined ? '' : `${value >= bar ? 'reached' : 'MISSED'} (${format(bar)})`,
  ])
  const table = [['benchmark', 'what', 'measured', 'bar'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('')
}

function format(value: number): string {
  return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
}
