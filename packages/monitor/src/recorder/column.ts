import { storableText } from './storable.ts'

/** A column of a bulk statement: its name, its type, and what a record has in it. */
export interface Column<Row> {
  readonly name: string
  readonly type: 'uuid' | 'text' | 'int' | 'bigint' | 'float8' | 'timestamptz' | 'jsonb'
  /** Times in Unix milliseconds, JSON as text. */
  readonly value: (row: Row) => string | number | null
}

/** `a, b, c` */
export function columnNames<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(({ name }) => name).join(', ')
}

/** `unnest($1::uuid[], $2::text[], …)`: the rows of a bulk statement, one parameter for each column. */
export function unnestColumns<Row>(columns: readonly Column<Row>[]): string {
  return `unnest(${columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')})`
}

/** The parameters for `unnestColumns`. */
export function columnValues<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): (string | number | null)[][] {
  return columns.map(({ type, value }) => rows.map((row) => parameter(type, value(row))))
}

function parameter(type: Column<unknown>['type'], value: string | number | null): string | number | null {
  if (value === null) return null
  if (type === 'timestamptz') return new Date(value).toISOString()
  return type === 'text' && typeof value === 'string' ? storableText(value) : value
}
