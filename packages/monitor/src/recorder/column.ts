import { rememberLast } from '@blockmill/core'

import { storableText } from './storable.ts'

/** A column of a bulk statement: its name, its type, and what a record has in it. */
export interface Column<Row> {
  readonly name: string
  readonly type: 'uuid' | 'text' | 'int' | 'bigint' | 'float8' | 'timestamptz' | 'jsonb' | 'boolean'
  /** Times in Unix milliseconds, JSON as text. */
  readonly value: (row: Row) => string | number | null
}

/** `a, b, c` */
export function columnNames<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(({ name }) => name).join(', ')
}

/**
 * `select a, to_timestamp(b / 1000), … from unnest($1::uuid[], $2::float8[], …) as one (a, b, …)`: the rows of a bulk
 * statement, one parameter for each column. Times travel as numbers, which both sides read and write faster than text.
 */
export function selectColumns<Row>(columns: readonly Column<Row>[]): string {
  const values = columns.map(({ name, type }) => (type === 'timestamptz' ? `to_timestamp(${name} / 1000)` : name))
  const arrays = columns.map(({ type }, index) => `$${index + 1}::${type === 'timestamptz' ? 'float8' : type}[]`)
  return `select ${values.join(', ')} from unnest(${arrays.join(', ')}) as one (${columnNames(columns)})`
}

/** The parameters for `selectColumns`: PostgreSQL array literals. Written here, because `pg` takes twice as long. */
export function columnValues<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  return columns.map(({ value }) => {
    // Most rows say in most columns what the row before them says.
    const element = rememberLast(arrayElement)
    return `{${rows.map((row) => element(value(row))).join(',')}}`
  })
}

/** Backslash and double quote end or escape an element; everything else is itself between double quotes. */
const SPECIAL = /["\\]/

function arrayElement(value: string | number | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(value)
  const text = storableText(value)
  return `"${SPECIAL.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"') : text}"`
}
