import { ConfigurationError } from '../errors/blockmill-error.ts'

/** The queue of a task that names none. It always exists. */
export const DEFAULT_QUEUE = 'default'

const QUEUE_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** True for names that may be part of a routing key: no dots, because a dot parts routing keys. */
export function isQueueName(name: string): boolean {
  return QUEUE_NAME.test(name)
}

/**
 * @param what says whose queue it is, for the error.
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` when the name breaks the rule.
 */
export function assertQueueName(name: string, what: string): void {
  if (isQueueName(name)) return
  throw new ConfigurationError(
    'TASK_DEFINITION_INVALID',
    `${what} is ${JSON.stringify(name)}. A queue name is 1 to 64 of a-z, 0-9, '_' and '-', and starts with a letter or digit (dots part routing keys).`,
  )
}
