import { type ByteSize, byteSize, formatBytes } from '../task/byte-size.ts'
import { MIN_MEMORY_PER_CHILD } from '../task/isolation.ts'
import { type Lane, LANES } from '../task/lane.ts'
import { isQueueName } from '../task/queue-name.ts'
import type { RateLimit } from '../task/rate-limit.ts'
import { defineSettings } from './define-settings.ts'
import { parseRateLimits } from './queue-rate-limits.ts'
import { setting } from './setting.ts'
import { brokerSettings, chainSettings, processSettings, taskSettings } from './shared-settings.ts'

/** Settings of a worker. No database: workers need the broker and the chain alone. */
export const workerSettings = defineSettings({
  ...processSettings,
  port: setting.integer({
    key: 'PORT',
    flag: 'port',
    description: 'port of health checks and metrics; 0 for any free one, so that several workers fit on one machine',
    default: 0,
    min: 0,
    max: 65_535,
  }),
  ...brokerSettings,
  ...chainSettings,
  ...taskSettings,
  workerName: setting.text({
    key: 'BLOCKMILL_WORKER_NAME',
    flag: 'name',
    description: 'name of the worker in records and on the status page, unique; otherwise <host>-<process id>',
  }),
  queues: setting.list({
    key: 'BLOCKMILL_QUEUES',
    flag: 'queues',
    description: 'queues that the worker serves, and no others',
    rule: "names of queues, separated by commas: 1 to 64 of a-z, 0-9, '_' and '-' each",
    isItem: isQueueName,
    default: 'default',
  }),
  lanes: setting.custom(
    {
      key: 'BLOCKMILL_LANES',
      flag: 'lanes',
      description: 'lanes of its queues that the worker serves, and no others: back-fill rides the low one',
      default: LANES.join(),
    },
    { rule: `lanes (${LANES.join(', ')}), separated by commas`, parse: parseLanes },
  ),
  concurrency: setting.integer({
    key: 'BLOCKMILL_CONCURRENCY',
    flag: 'concurrency',
    description: 'handlers that run at once; the default suits handlers that mostly wait for a chain node',
    default: 50,
    min: 1,
    max: 10_000,
  }),
  prefetch: setting.integer({
    key: 'BLOCKMILL_PREFETCH',
    flag: 'prefetch',
    description: 'messages held per broker queue, running ones included; otherwise 2 × concurrency',
    min: 1,
    max: 65_535,
  }),
  rateLimits: setting.custom<
    Readonly<Record<string, RateLimit>> | undefined,
    { key: string; flag: string; description: string }
  >(
    {
      key: 'BLOCKMILL_RATE_LIMITS',
      flag: 'rate-limits',
      description: 'how often tasks of a queue may be started; otherwise without limit',
    },
    {
      rule: 'queues with starts per time, separated by commas, such as high-priority=10/s,default=1000/m; /global after one shares it among all workers',
      parse: parseRateLimits,
    },
  ),
  maxChildren: setting.integer({
    key: 'BLOCKMILL_MAX_CHILDREN',
    flag: 'max-children',
    description:
      'threads and processes that run isolated tasks at once; otherwise the number of processors, at least 2',
    min: 1,
    max: 10_000,
  }),
  maxTasksPerChild: setting.integer({
    key: 'BLOCKMILL_MAX_TASKS_PER_CHILD',
    flag: 'max-tasks-per-child',
    description: 'tasks after which a thread or process is replaced, where a task does not say itself; otherwise never',
    min: 1,
    max: 1_000_000_000,
  }),
  maxMemoryPerChildBytes: setting.custom<number | undefined, { key: string; flag: string; description: string }>(
    {
      key: 'BLOCKMILL_MAX_MEMORY_PER_CHILD',
      flag: 'max-memory-per-child',
      description:
        'memory above which a thread or process is replaced after a task, where the task does not say itself; otherwise never',
    },
    {
      rule: `a size from ${formatBytes(MIN_MEMORY_PER_CHILD)} up, such as 512MiB or 2GB; a plain number counts bytes`,
      parse: parseMemory,
    },
  ),
  graceMs: setting.duration({
    key: 'BLOCKMILL_GRACE',
    flag: 'grace',
    description: 'how long a stop waits for handlers that run',
    default: '30s',
    min: 0,
    max: '24h',
    plainNumber: 'seconds',
  }),
  stuckGraceMs: setting.duration({
    key: 'BLOCKMILL_STUCK_GRACE',
    description: 'how long a handler may go on after its timeout before its slot is taken back',
    default: '5s',
    min: 0,
    max: '1h',
    plainNumber: 'seconds',
  }),
  postponeDelayMs: setting.duration({
    key: 'BLOCKMILL_POSTPONE_DELAY',
    description: 'delay of a task that postpones itself without saying for how long',
    default: '5s',
    min: '1s',
    max: '7d',
    plainNumber: 'seconds',
  }),
  maxPostpones: setting.custom<number | null, { key: string; description: string; default: string }>(
    {
      key: 'BLOCKMILL_MAX_POSTPONES',
      description: 'how often a task may postpone itself, where it does not say itself',
      default: '15',
    },
    { rule: 'a whole number from 0 up, or unlimited', parse: parseMaxPostpones },
  ),
})

/** In the order of `LANES`, each once. */
function parseLanes(text: string): readonly Lane[] | undefined {
  const given = text.split(',').map((lane) => lane.trim())
  const isKnown = given.every((lane) => LANES.some((known) => known === lane))
  return isKnown ? LANES.filter((lane) => given.includes(lane)) : undefined
}

function parseMaxPostpones(text: string): number | null | undefined {
  if (text === 'unlimited') return null
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}

function parseMemory(text: string): number | undefined {
  try {
    const bytes = byteSize(/^\d+$/.test(text) ? Number(text) : (text as ByteSize), 'BLOCKMILL_MAX_MEMORY_PER_CHILD')
    return bytes >= MIN_MEMORY_PER_CHILD ? bytes : undefined
  } catch {
    // Not a size: the rule of the setting says what is.
    return undefined
  }
}
