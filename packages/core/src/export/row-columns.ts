import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { Json, JsonObject } from '../task/json.ts'

/** What the values of a column are: `integer` up to 2^53 either way; `json` for nested ones, and for a mixture. */
export type ColumnKind = 'text' | 'integer' | 'number' | 'boolean' | 'json'

/** One column of a table of rows. Every column may be null. */
export interface RowColumn {
  readonly name: string
  readonly kind: ColumnKind
}

/** The columns of a table of rows. */
export interface TableColumns {
  readonly columns: readonly RowColumn[]
  /** True when somebody chose them: what else a row has is left out. Otherwise it is an error. */
  readonly isSelection: boolean
}

export interface SurveyOptions {
  /** Rows to look at. Default all. */
  readonly rows?: number | undefined
  /** The columns that are wanted, in this order. Default all that there are, in the order in which they are met. */
  readonly wanted?: readonly string[] | undefined
}

/** Rows with more columns than this are no table: names are data in them, most likely. */
const MAX_COLUMNS = 2_000

const KIND_BIT = { text: 1, integer: 2, number: 4, boolean: 8, json: 16 } as const satisfies Record<ColumnKind, number>

/**
 * Finds out which columns rows have, and what their values are. Columns of nulls alone are text.
 *
 * @throws NonRetryableError `EXPORT_INVALID` when there are more than 2,000 columns, or a wanted one is named twice or, after
 * all rows, in none of them.
 */
export async function surveyColumns(
  batches: AsyncIterable<Iterable<JsonObject>>,
  { rows = Infinity, wanted }: SurveyOptions = {},
): Promise<TableColumns> {
  const kinds = new Map<string, number>()
  let seen = 0
  for await (const batch of batches) {
    for (const row of batch) {
      if (seen >= rows) break
      seen += 1
      for (const [name, value] of Object.entries(row)) addKind(kinds, name, value)
    }
    if (kinds.size > MAX_COLUMNS) throw tooManyColumns(seen)
    if (seen >= rows) break
  }
  if (wanted === undefined) return { columns: [...kinds.keys()].map(toColumn), isSelection: false }
  checkWanted(wanted, seen > 0 && seen < rows ? kinds : undefined)
  return { columns: wanted.map(toColumn), isSelection: true }

  function toColumn(name: string): RowColumn {
    return { name, kind: kindOfBits(kinds.get(name) ?? 0) }
  }
}

function addKind(kinds: Map<string, number>, name: string, value: Json): void {
  const before = kinds.get(name)
  const bits = (before ?? 0) | (value === null ? 0 : KIND_BIT[kindOf(value)])
  if (bits !== before) kinds.set(name, bits)
}

/** The narrowest kind that a value is of. */
export function kindOf(value: NonNullable<Json>): ColumnKind {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return 'json'
}

function kindOfBits(bits: number): ColumnKind {
  switch (bits) {
    case 0:
    case KIND_BIT.text:
      return 'text'
    case KIND_BIT.integer:
      return 'integer'
    case KIND_BIT.number:
    case KIND_BIT.number | KIND_BIT.integer:
      return 'number'
    case KIND_BIT.boolean:
      return 'boolean'
    default:
      return 'json'
  }
}

function checkWanted(wanted: readonly string[], known: ReadonlyMap<string, number> | undefined): void {
  const twice = wanted.find((name, index) => wanted.indexOf(name) !== index)
  if (wanted.length === 0) throw invalid('No column is named. Name at least one.')
  if (twice !== undefined) throw invalid(`Column ${JSON.stringify(twice)} is named twice. Name it once.`)
  const strange = known === undefined ? undefined : wanted.find((name) => !known.has(name))
  if (known === undefined || strange === undefined) return
  const there = [...known.keys()].slice(0, 20).map((name) => JSON.stringify(name))
  throw invalid(`No row has a column ${JSON.stringify(strange)}. There are ${there.join(', ')}.`)
}

function tooManyColumns(rows: number): NonRetryableError {
  return invalid(
    `The first ${rows} rows have more than ${MAX_COLUMNS} different columns. Choose the columns, or export NDJSON, where each row has its own.`,
  )
}

function invalid(message: string): NonRetryableError {
  return new NonRetryableError('EXPORT_INVALID', message)
}
