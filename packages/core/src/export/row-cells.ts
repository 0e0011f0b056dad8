import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { Json, JsonObject } from '../task/json.ts'
import { kindOf, type RowColumn, type TableColumns } from './row-columns.ts'

/** The values of a row, one for each column; null where it has none. */
export type RowCells = (row: JsonObject) => Json[]

/**
 * Makes rows into lists of cells, one row after the other.
 *
 * @param options `hasTypes` when values must be of the kind of their column.
 * @returns a function that throws NonRetryableError `EXPORT_INVALID`, naming row and column, for a row that the columns do not
 * fit: they were found out from other rows.
 */
export function createRowCells(
  { columns, isSelection }: TableColumns,
  { hasTypes }: { readonly hasTypes: boolean },
): RowCells {
  const names = new Set(columns.map(({ name }) => name))
  let number = 0
  return (row) => {
    number += 1
    let found = 0
    const cells = columns.map((column): Json => {
      // A column may be called toString.
      const value = Object.hasOwn(row, column.name) ? row[column.name] : undefined
      if (value === undefined) return null
      found += 1
      if (hasTypes && value !== null && !fits(value, column)) throw misfit(number, column, value)
      return value
    })
    if (isSelection || found === Object.keys(row).length) return cells
    throw stranger(number, Object.keys(row).find((name) => !names.has(name)) ?? '')
  }
}

function fits(value: NonNullable<Json>, { kind }: RowColumn): boolean {
  const own = kindOf(value)
  return own === kind || kind === 'json' || (kind === 'number' && own === 'integer')
}

function misfit(row: number, { name, kind }: RowColumn, value: NonNullable<Json>): NonRetryableError {
  return invalid(
    `Row ${row} has ${kindOf(value)} in column ${JSON.stringify(name)}, which has ${kind} in the rows before that were looked at.`,
  )
}

function stranger(row: number, name: string): NonRetryableError {
  return invalid(`Row ${row} has a column ${JSON.stringify(name)}, which no row before has that was looked at.`)
}

function invalid(what: string): NonRetryableError {
  return new NonRetryableError(
    'EXPORT_INVALID',
    `${what} Look at more rows first, choose the columns, or export NDJSON.`,
  )
}
