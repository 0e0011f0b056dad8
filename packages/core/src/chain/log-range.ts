/**
 * How many blocks one `eth_getLogs` may ask for, learnt from what endpoints refuse. Limits differ from 10 blocks to none, on the
 * number of blocks or of logs, and only the error tells.
 */
export interface LogRange {
  /** Blocks to ask for next. */
  readonly size: number
  /** A limit that an endpoint has named; the size does not grow above it. */
  readonly ceiling: number
}

export const initialLogRange: LogRange = { size: 1_000, ceiling: 100_000 }

/** A tenth more after a full piece went well; the last piece of a request tells nothing. */
export function grownLogRange({ size, ceiling }: LogRange, asked: number): LogRange {
  return asked < size ? { size, ceiling } : { size: Math.min(ceiling, asked + Math.ceil(asked / 10)), ceiling }
}

/** What the error names, else half. Never below one block. */
export function shrunkLogRange({ ceiling }: LogRange, asked: number, error: string): LogRange {
  const told = rangeToldBy(error)
  if (told !== undefined && told.size < asked) return { size: told.size, ceiling: told.isLimit ? told.size : ceiling }
  return { size: Math.max(1, Math.floor(asked / 2)), ceiling }
}

/** `Try with this block range [0x1, 0x2]`: what fits this time, because of how many logs there are. */
const SUGGESTED = /\[\s*(0x[0-9a-f]+)\s*,\s*(0x[0-9a-f]+)\s*\]/i
/**
 * `limited to a 10,000 range`, `maximum block range: 5000`, `up to a 500 block range`, `exceed max block range 1k`,
 * `max 10000 blocks`, `ranges over 10000 blocks`. A number of results or logs is not meant.
 */
const NAMED =
  /(?:limited to|max(?:imum)?|up to|at most|(?:more|greater|larger|less|fewer) than|over|exceeds?(?: the)?(?: limit)?(?: of)?|range limit)\D{0,30}?([\d,_]+)(k?)(?!\d)\s*([a-z]*)/gi
const OTHER_UNITS = /^(results?|logs?|events?|responses?|records?|bytes|mb|ms|s|seconds|requests?)$/i

function rangeToldBy(error: string): { readonly size: number; readonly isLimit: boolean } | undefined {
  const [, first, last] = SUGGESTED.exec(error) ?? []
  if (first !== undefined && last !== undefined) return sizeOf(Number(last) - Number(first) + 1, false)
  if (!/range|blocks/i.test(error)) return undefined
  for (const [, digits = '', thousands, unit = ''] of error.matchAll(NAMED)) {
    if (!OTHER_UNITS.test(unit))
      return sizeOf(Number(digits.replaceAll(/[,_]/g, '')) * (thousands === '' ? 1 : 1_000), true)
  }
  return undefined
}

function sizeOf(size: number, isLimit: boolean): { readonly size: number; readonly isLimit: boolean } | undefined {
  return Number.isSafeInteger(size) && size >= 1 ? { size, isLimit } : undefined
}
