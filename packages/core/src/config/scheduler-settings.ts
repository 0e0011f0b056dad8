import { defineSettings } from './define-settings.ts'
import { setting } from './setting.ts'
import { brokerSettings, chainSettings, databaseSettings, processSettings, taskSettings } from './shared-settings.ts'

/** Settings of the scheduler. */
export const schedulerSettings = defineSettings({
  ...processSettings,
  port: setting.integer({
    key: 'PORT',
    flag: 'port',
    description: 'port of health checks and metrics; 0 for any free one',
    default: 8081,
    min: 0,
    max: 65_535,
  }),
  ...brokerSettings,
  ...databaseSettings,
  ...chainSettings,
  ...taskSettings,
  start: setting.custom<
    'resume' | 'current' | number,
    { key: string; flag: string; description: string; default: string }
  >(
    {
      key: 'BLOCKMILL_START',
      flag: 'start',
      description: 'first block: where each task was, the head at start, or a block number; all included',
      default: 'resume',
    },
    { rule: 'resume, current or a block number', parse: parseStart },
  ),
  pollIntervalMs: setting.duration({
    key: 'BLOCKMILL_POLL_INTERVAL',
    flag: 'poll-interval',
    description: 'how often the head is asked for, besides the hints of the subscription',
    default: '1s',
    min: '1s',
    max: '1h',
    plainNumber: 'seconds',
  }),
  finalityDepth: setting.integer({
    key: 'BLOCKMILL_FINALITY_DEPTH',
    description: 'blocks behind the head at which one is final, on EVM nodes that cannot say',
    default: 64,
    min: 0,
    max: 1_000_000,
  }),
  noNewHeadTimeoutMs: setting.duration({
    key: 'BLOCKMILL_NO_NEW_HEAD_TIMEOUT',
    description:
      'without a new head for so long, the next endpoint is used; otherwise ten times the time between blocks, at least 30s',
    min: '1s',
    max: '1d',
    plainNumber: 'seconds',
  }),
  reorgWindow: setting.integer({
    key: 'BLOCKMILL_REORG_WINDOW',
    description: 'most blocks below the head whose hashes are kept, to find out which a reorganisation has replaced',
    default: 10_000,
    min: 16,
    max: 100_000,
  }),
  queueWindow: setting.integer({
    key: 'BLOCKMILL_QUEUE_WINDOW',
    description: 'blocks that are not at the head wait while this many messages are on the lane of their queue',
    default: 10_000,
    min: 1,
    max: 1_000_000,
  }),
  monitorLimit: setting.integer({
    key: 'BLOCKMILL_MONITOR_LIMIT',
    description: 'lookback and back-fill wait while more messages than this wait for the monitor',
    default: 10_000,
    min: 1,
    max: 100_000_000,
  }),
  leaseTtlMs: setting.duration({
    key: 'BLOCKMILL_LEASE_TTL',
    description: 'a standby takes over when the active scheduler of its chain has not renewed its lease for so long',
    default: '6s',
    min: '1s',
    max: '5m',
    plainNumber: 'seconds',
  }),
  reconcileAfterMs: setting.duration({
    key: 'BLOCKMILL_RECONCILE_AFTER',
    description: 'tasks that wait in vain for so long, while their lane is empty, are published again',
    default: '10m',
    min: '1m',
    max: '7d',
    plainNumber: 'minutes',
  }),
  reconcileIntervalMs: setting.duration({
    key: 'BLOCKMILL_RECONCILE_INTERVAL',
    description: 'how often tasks that wait in vain are looked for',
    default: '1m',
    min: '1s',
    max: '1d',
    plainNumber: 'seconds',
  }),
  reconcileBatch: setting.integer({
    key: 'BLOCKMILL_RECONCILE_BATCH',
    description: 'most tasks that wait in vain which are published again at a time',
    default: 500,
    min: 1,
    max: 10_000,
  }),
})

function parseStart(text: string): 'resume' | 'current' | number | undefined {
  if (text === 'resume' || text === 'current') return text
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}
