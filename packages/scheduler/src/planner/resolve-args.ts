import { type AnyTaskDefinition, argsHash, argsProblems, type JsonObject } from '@blockmill/core'

import { CONDITION_TIMEOUT_MS } from './settle-answers.ts'

/** One set of arguments that a task runs with. */
export interface ResolvedArgs {
  readonly args: JsonObject
  readonly argsHash: string
}

/**
 * The sets of arguments that a task runs with now: its list, or what its function answers. Equal sets count once, because
 * their tasks have the same ids.
 *
 * @throws what the function throws, or an error that names every set that breaks a rule, or that it took longer than
 * `timeoutMs` to answer.
 */
export async function resolveArgs(
  definition: AnyTaskDefinition,
  timeoutMs: number = CONDITION_TIMEOUT_MS,
): Promise<readonly ResolvedArgs[]> {
  const { args } = definition
  if (typeof args !== 'function') return distinct(args)
  const answer: unknown = await inTime(args(), timeoutMs)
  if (!Array.isArray(answer)) {
    throw new TypeError(`args() answered ${JSON.stringify(answer)}; it must answer a list of objects.`)
  }
  const problems = answer.flatMap((one: unknown, index) => argsProblems(one, definition.schema, `args()[${index}]`))
  if (problems.length > 0) throw new TypeError(`args() answered what may not be: ${problems.join('; ')}.`)
  return distinct(answer as JsonObject[])
}

function distinct(list: readonly JsonObject[]): ResolvedArgs[] {
  const byHash = new Map(list.map((args) => [argsHash(args), args]))
  return Array.from(byHash, ([hash, args]) => ({ args, argsHash: hash }))
}

async function inTime(answer: unknown, timeoutMs: number): Promise<unknown> {
  if (!(answer instanceof Promise)) return answer
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`args() had not answered after ${timeoutMs} ms.`)), timeoutMs)
  try {
    return await Promise.race([answer, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
