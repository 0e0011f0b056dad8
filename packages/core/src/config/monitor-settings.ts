import { defineSettings } from './define-settings.ts'
import { setting } from './setting.ts'
import { brokerSettings, databaseSettings, processSettings } from './shared-settings.ts'
import { tokenSettings } from './token-settings.ts'

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
  ...brokerSettings,
  ...databaseSettings,
  ...tokenSettings,
})
