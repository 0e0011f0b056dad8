/** What JSON can carry. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A JSON object: the form of task arguments. */
export type JsonObject = { readonly [key: string]: Json }

/** Deeper than anybody writes by hand, and shallow enough for every parser and database on the way. */
export const MAX_JSON_DEPTH = 200
/** A path is cut after so many characters. */
const MAX_PATH = 200

/**
 * The one text of a JSON value: object keys sorted by UTF-16 code unit, no white space, as in RFC 8785. Equal values have
 * equal texts wherever they are computed, which is what task ids are made of.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.keys(value)
    // An optional property that was written as undefined is not there once it has travelled.
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as Json)}`)
  return `{${members.join(',')}}`
}

/**
 * Where a value stops being JSON: a path such as `$.rows[3].amount is a bigint`, or `undefined` when it is JSON through
 * and through. Finds what `JSON.stringify` would drop or change in silence: functions, symbols, `undefined` in arrays,
 * NaN, dates and other class instances, cycles; and what is nested more than 200 levels deep.
 */
export function findNonJson(value: unknown): string | undefined {
  return search(value, '$', new Set())
}

function search(value: unknown, path: string, above: Set<object>): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is ${value}`
  if (typeof value !== 'object') return `${path} is ${value === undefined ? 'undefined' : `a ${typeof value}`}`
  if (above.has(value)) return `${path} refers back to an object that contains it`
  if (above.size >= MAX_JSON_DEPTH) return `${cut(path)} is nested more than ${MAX_JSON_DEPTH} levels deep`
  above.add(value)
  const problem = searchMembers(value, path, above)
  above.delete(value)
  return problem
}

function searchMembers(value: object, path: string, above: Set<object>): string | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = search(item, `${path}[${index}]`, above)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    return `${path} is a ${value.constructor?.name ?? 'class instance'}`
  }
  for (const [key, member] of Object.entries(value)) {
    // An absent optional property is written as undefined by many; JSON.stringify leaves it out, and nothing is lost.
    if (member === undefined) continue
    const problem = search(member, `${path}.${key}`, above)
    if (problem !== undefined) return problem
  }
  return undefined
}

function cut(path: string): string {
  return path.length <= MAX_PATH ? path : `${path.slice(0, MAX_PATH)}…`
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
