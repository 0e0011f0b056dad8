import { DEV_CHAIN_PORT } from '../chain/networks.ts'
import { defineSettings } from './define-settings.ts'
import { setting } from './setting.ts'
import { processSettings } from './shared-settings.ts'

const { logLevel, host, configFile } = processSettings

/** Settings of the development chain. */
export const devChainSettings = defineSettings({
  logLevel,
  host,
  configFile,
  port: setting.integer({
    key: 'BLOCKMILL_DEV_CHAIN_PORT',
    flag: 'port',
    description: 'port that the chain is served on; 0 for any free one',
    default: DEV_CHAIN_PORT,
    min: 0,
    max: 65_535,
  }),
  file: setting.text({
    key: 'BLOCKMILL_DEV_CHAIN_FILE',
    flag: 'file',
    description:
      'file that keeps the blocks of the chain, so that it goes on after a restart; otherwise it begins anew',
  }),
  blockTimeMs: setting.duration({
    key: 'BLOCKMILL_DEV_CHAIN_BLOCK_TIME',
    flag: 'block-time',
    description: 'time between two blocks',
    default: '1s',
    min: '100ms',
    max: '1h',
    plainNumber: 'seconds',
  }),
})
