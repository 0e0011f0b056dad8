import { inspect } from 'node:util'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import { canonicalJson, findNonJson, type Json, type JsonObject } from './json.ts'

/** Arguments of a task may not exceed this many bytes of JSON: 64 KiB. */
export const MAX_ARGS_BYTES = 64 * 1024

/**
 * The part of the Standard Schema contract (standardschema.dev, version 1) that is used here, so that Zod, Valibot,
 * ArkType and others can check arguments. Their validation must be synchronous.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] }

/** A TypeBox schema, or any Standard Schema. */
export type ArgsSchema = TSchema | StandardSchema

/** The type of arguments that a schema admits. */
export type ArgsOf<Schema extends ArgsSchema> = (Schema extends StandardSchema<infer Output>
  ? Output
  : Schema extends TSchema
    ? Static<Schema>
    : never) &
  JsonObject

/** Every rule that one set of arguments breaks, each naming where and what; empty when it is sound. */
export function argsProblems(args: unknown, schema: ArgsSchema | undefined, what = 'args'): string[] {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    return [`${what} is ${inspect(args, { depth: 1, breakLength: Number.POSITIVE_INFINITY })}; it must be an object`]
  }
  const foreign = findNonJson(args)
  if (foreign !== undefined) return [`${what} cannot be carried by JSON: ${foreign.replace('$', what)}`]
  const size = Buffer.byteLength(canonicalJson(args as Json))
  if (size > MAX_ARGS_BYTES) return [`${what} is ${size} bytes of JSON; at most ${MAX_ARGS_BYTES} are allowed`]
  if (schema === undefined) return []
  return isStandard(schema) ? standardProblems(args, schema, what) : typeboxProblems(args, schema, what)
}

function isStandard(schema: ArgsSchema): schema is StandardSchema {
  return '~standard' in schema
}

function standardProblems(args: object, schema: StandardSchema, what: string): string[] {
  const result = validate(args, schema)
  if (result instanceof Error) return [`${what}: the schema threw: ${result.message}`]
  if (result instanceof Promise) {
    // Nobody waits for it any more: its outcome is replaced by the problem below.
    result.catch(() => undefined)
    return [`${what} is checked by an asynchronous schema; the schema must answer at once`]
  }
  return (result.issues ?? []).map(
    ({ path = [], message }) => `${[what, ...path.map(segmentKey)].join('.')}: ${message}`,
  )
}

function validate(args: object, schema: StandardSchema): ReturnType<StandardSchema['~standard']['validate']> | Error {
  try {
    return schema['~standard'].validate(args)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function segmentKey(segment: unknown): string {
  return typeof segment === 'object' && segment !== null && 'key' in segment ? String(segment.key) : String(segment)
}

// Compiling takes about a millisecond, and the same schema checks every message of its task.
const validators = new WeakMap<TSchema, ReturnType<typeof Compile>>()

function typeboxProblems(args: object, schema: TSchema, what: string): string[] {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema)
    validators.set(schema, validator)
  }
  if (validator.Check(args)) return []
  return validator
    .Errors(args)
    .map((problem) => `${what}${problem.instancePath.replaceAll('/', '.')} ${ruleOf(problem)}`)
}

/** The rule that was broken. TypeBox does not name the values of an enum. */
function ruleOf({ keyword, params, message }: TLocalizedValidationError): string {
  return keyword === 'enum' ? `must be one of ${params.allowedValues.map(String).join(', ')}` : message
}
