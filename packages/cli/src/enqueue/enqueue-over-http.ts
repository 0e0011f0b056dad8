import {
  type Duration,
  type EnqueuedTask,
  type EnqueueOptions,
  formatDuration,
  type JsonObject,
  NonRetryableError,
  RetryableError,
} from '@blockmill/core'

/** Where a monitor is, and what it needs to know. */
export interface MonitorConfig {
  /** `http://127.0.0.1:8080`. */
  readonly url: string
  readonly chain: string
  readonly operatorTokens?: readonly string[]
}

/**
 * Enqueues one task through the REST API of a monitor.
 *
 * @throws NonRetryableError `ENQUEUE_INVALID` with what the monitor says; RetryableError `BROKER_PUBLISH_FAILED` when it, or its
 * broker, cannot be reached.
 */
export async function enqueueOverHttp(
  { url, chain, operatorTokens = [] }: MonitorConfig,
  request: {
    readonly task: string
    readonly args: JsonObject
    readonly options: Pick<EnqueueOptions, 'priority' | 'executeAfter' | 'expires' | 'unique' | 'queue'> & {
      readonly block?: number
    }
  },
): Promise<EnqueuedTask> {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new NonRetryableError(
      'ENQUEUE_INVALID',
      `--monitor is "${url}"; it must be a URL such as http://127.0.0.1:8080.`,
    )
  }
  const { task, args, options } = request
  const { executeAfter, expires, priority, unique, queue, block } = options
  const { ApiProblem, createApiClient } = await import('@blockmill/monitor')
  const client = createApiClient({ url, token: operatorTokens[0] })
  try {
    return await client.call('POST /tasks', {
      body: {
        name: task,
        chain,
        args,
        ...(priority !== undefined && { priority }),
        ...(unique !== undefined && { unique }),
        ...(queue !== undefined && { queue }),
        ...(block !== undefined && { block }),
        ...(executeAfter !== undefined && { executeAfter: timeText(executeAfter) }),
        ...(expires !== undefined && { expires: timeText(expires) }),
      },
    })
  } catch (error) {
    if (!(error instanceof ApiProblem)) {
      throw new RetryableError('BROKER_PUBLISH_FAILED', `The monitor at ${url} cannot be reached.`, { cause: error })
    }
    if (error.status === 503) throw new RetryableError('BROKER_PUBLISH_FAILED', error.message)
    throw new NonRetryableError('ENQUEUE_INVALID', `Task '${task}' was not enqueued: ${error.message}`)
  }
}

function timeText(time: Duration | Date): string {
  if (time instanceof Date) return time.toISOString()
  return typeof time === 'number' ? formatDuration(time) : time
}
