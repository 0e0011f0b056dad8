import { type BlockRange, isBlockNumber } from './block-range.ts'

/** A rule that a request breaks: the field, and a text that names the value and the rule. */
export interface RequestProblem<Field extends string> {
  readonly field: Field
  readonly message: string
}

/** The rules that the first and the last block of a request break. */
export function rangeProblems({ from, to }: BlockRange): RequestProblem<'from' | 'to'>[] {
  const rule = 'it must be a block number: whole, from 0 to 2^53 − 1'
  const problems = Object.entries({ from, to })
    .filter(([, value]) => !isBlockNumber(value))
    .map(([field, value]) => ({ field: field as 'from' | 'to', message: `${field} is ${value}; ${rule}` }))
  if (problems.length > 0 || from <= to) return problems
  return [{ field: 'from', message: `from is ${from} and to is ${to}; the first block may not be above the last` }]
}

/** The rule that an optional count breaks which must be whole, from 1 up to a maximum. */
export function countProblems<Field extends string>(
  field: Field,
  value: number | undefined,
  maximum: number,
): RequestProblem<Field>[] {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= maximum)) return []
  return [{ field, message: `${field} is ${value}; it must be a whole number from 1 to ${maximum}` }]
}
