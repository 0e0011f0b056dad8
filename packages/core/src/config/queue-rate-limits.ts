import { ConfigurationError } from '../errors/blockmill-error.ts'
import { isQueueName } from '../task/queue-name.ts'
import { parseRateLimit, type RateLimit } from '../task/rate-limit.ts'

/**
 * Reads `high-priority=10/s,default=1000/m/global`: the rate limits of queues, by queue. `undefined` for empty text.
 *
 * @throws ConfigurationError `CONFIG_INVALID` naming every part that is wrong, and what is.
 */
export function parseRateLimits(text: string): Readonly<Record<string, RateLimit>> | undefined {
  const limits = new Map<string, RateLimit>()
  const problems: string[] = []
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue
    const [queue = '', rate = '', ...more] = part.split('=').map((one) => one.trim())
    const limit = more.length === 0 ? parseRateLimit(rate) : undefined
    if (!isQueueName(queue)) problems.push(`"${part}" names no queue; a name is 1 to 64 of a-z, 0-9, '_' and '-'`)
    else if (limit === undefined)
      problems.push(`"${part}" is no limit; write it like ${queue}=10/s or ${queue}=5/250ms`)
    else if (limits.has(queue)) problems.push(`"${part}" is the second limit of queue ${queue}`)
    else limits.set(queue, limit)
  }
  if (problems.length > 0) throw new ConfigurationError('CONFIG_INVALID', `${problems.join('; ')}.`)
  return limits.size === 0 ? undefined : Object.fromEntries(limits)
}
