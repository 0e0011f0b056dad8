import { defineSettings, devChainSettings, schedulerSettings } from '@blockmill/core'

const { taskPackages, configFile } = schedulerSettings
const { blockTimeMs } = devChainSettings

/** What of the demo can be set; the rest is its own business. */
export const demoSettings = defineSettings({ taskPackages, blockTimeMs, configFile })
