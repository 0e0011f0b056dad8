/** Rows under headings, in columns as wide as they need to be. Numbers stand at the right, text at the left. */
export function textTable(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => String(row[column] ?? '').length)),
  )
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => {
        const isNumber = rows.length > 0 && rows.every((row) => typeof row[column] === 'number')
        const width = widths[column] ?? 0
        return isNumber ? String(cell).padStart(width) : String(cell).padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
