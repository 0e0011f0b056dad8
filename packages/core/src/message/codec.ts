import { parse } from 'secure-json-parse'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { EventMessageSchema, HeartbeatSchema } from './event-message.ts'
import { TaskMessageSchema } from './task-message.ts'

/** No message may be larger: 1 MiB. */
export const MAX_MESSAGE_BYTES = 1024 * 1024

/** Turns bodies into messages and back. */
export interface Codec<Message> {
  /** @throws NonRetryableError `MESSAGE_TOO_LARGE` above 1 MiB. */
  encode(message: Message): Buffer
  /**
   * @throws NonRetryableError `MESSAGE_TOO_LARGE` above 1 MiB, `MESSAGE_INVALID` for what is not JSON, holds `__proto__`
   * or `constructor.prototype` keys, or does not fit the schema; the text names the place and the rule.
   */
  decode(body: Buffer): Message
}

/** The codec of task messages. */
export const taskMessageCodec = createCodec('task message', TaskMessageSchema)
/** The codec of event messages. */
export const eventMessageCodec = createCodec('event message', EventMessageSchema)
/** The codec of heartbeats. */
export const heartbeatCodec = createCodec('heartbeat', HeartbeatSchema)

/**
 * Makes a codec from a schema.
 *
 * @param what names the message in errors.
 */
export function createCodec<Schema extends TSchema>(what: string, schema: Schema): Codec<Readonly<Static<Schema>>> {
  const validator = Compile(schema)
  return {
    encode(message) {
      const body = Buffer.from(JSON.stringify(message))
      assertSize(what, body.length)
      return body
    },
    decode(body) {
      assertSize(what, body.length)
      const value = parseBody(what, body)
      if (validator.Check(value)) return value
      const [first] = validator.Errors(value)
      throw invalid(what, `${first?.instancePath || 'the body'} ${first?.message ?? 'does not fit the schema'}`)
    },
  }
}

function parseBody(what: string, body: Buffer): unknown {
  try {
    return parse(body.toString('utf8'), undefined, { protoAction: 'error', constructorAction: 'error' })
  } catch (error) {
    throw invalid(what, `it is not safe JSON: ${(error as Error).message}`, error)
  }
}

function assertSize(what: string, size: number): void {
  if (size <= MAX_MESSAGE_BYTES) return
  throw new NonRetryableError(
    'MESSAGE_TOO_LARGE',
    `A ${what} of ${size} bytes exceeds the limit of ${MAX_MESSAGE_BYTES} bytes.`,
  )
}

function invalid(what: string, why: string, cause?: unknown): NonRetryableError {
  return new NonRetryableError('MESSAGE_INVALID', `The body is not a valid ${what}: ${why}.`, { cause })
}
