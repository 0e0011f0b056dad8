import { defineSettings } from './define-settings.ts'
import { isQueueName } from '../task/queue-name.ts'
import { setting } from './setting.ts'
import { brokerSettings, databaseSettings, processSettings } from './shared-settings.ts'
import { tokenSettings } from './token-settings.ts'

const MAX_RETENTION_DAYS = 36_500

/** Settings of the monitor. */
export const monitorSettings = defineSettings({
  ...processSettings,
  host: setting.text({
    key: 'HOST',
    flag: 'host',
    description:
      'address that the status page, the REST API, health checks and metrics are served on; loopback unless a token is set',
    default: '127.0.0.1',
  }),
  port: setting.integer({
    key: 'PORT',
    flag: 'port',
    description: 'port of the status page, the REST API, health checks and metrics; 0 for any free one',
    default: 8080,
    min: 0,
    max: 65_535,
  }),
  retentionDays: setting.custom(
    {
      key: 'BLOCKMILL_RETENTION_DAYS',
      flag: 'retention-days',
      description: 'for how many days finished tasks are kept on record',
      default: '7',
    },
    {
      rule: `a whole number of days from 0 to ${MAX_RETENTION_DAYS}, or never; 0 and never keep everything`,
      parse: retentionDays,
    },
  ),
  deleteOnComplete: setting.list({
    key: 'BLOCKMILL_DELETE_ON_COMPLETE',
    flag: 'delete-on-complete',
    description:
      'queues whose tasks are deleted from the record when they have succeeded, unless their definition says otherwise',
    rule: "names of queues, separated by commas: 1 to 64 of a-z, 0-9, '_' and '-' each",
    isItem: isQueueName,
  }),
  resultsDir: setting.text({
    key: 'BLOCKMILL_RESULTS_DIR',
    flag: 'results-dir',
    description: 'folder of the rows of range jobs that keep them in files; all monitors and readers need the same one',
    default: 'results',
  }),
  ...brokerSettings,
  ...databaseSettings,
  ...tokenSettings,
})

function retentionDays(text: string): number | undefined {
  if (text.toLowerCase() === 'never') return 0
  const days = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return days <= MAX_RETENTION_DAYS ? days : undefined
}
