import { defineSettings, schedulerSettings, type Setting, setting } from '@blockmill/core'

import { passwordSettings } from './account-passwords.ts'

const { brokerUrl, namespace, monitorQueue, databaseUrl, configFile } = schedulerSettings
/** Who leaves the database alone needs none. */
const optionalDatabaseUrl: Setting<string | undefined> = { ...databaseUrl, required: false }
/** What `blockmill setup-permissions` is told: how to reach both servers as their owner, and passwords to set. */
export const permissionSettings = defineSettings({
  brokerUrl,
  managementUrl: setting.url({
    key: 'RABBITMQ_MANAGEMENT_URL',
    flag: 'management-url',
    description:
      "RabbitMQ's management HTTP API, with an administrator; unset, port 15672 of the broker with the same user",
    protocols: ['http:', 'https:'],
    example: 'http://user:password@127.0.0.1:15672',
  }),
  namespace,
  monitorQueue,
  databaseUrl: optionalDatabaseUrl,
  configFile,
  ...passwordSettings,
})
