import type { Settings } from './define-settings.ts'
import { devChainSettings } from './dev-chain-settings.ts'
import { monitorSettings } from './monitor-settings.ts'
import { schedulerSettings } from './scheduler-settings.ts'
import { workerSettings } from './worker-settings.ts'

/** Keys that are no service's setting: they choose where tests and the demo get a broker and a database from. */
const TEST_KEYS = ['BLOCKMILL_TEST_SERVICES']

/**
 * Every key of every service, sorted. A key that one service has and another has not is no mistake: one environment serves
 * them all.
 */
export const KNOWN_KEYS: readonly string[] = [
  ...new Set([
    ...[schedulerSettings, workerSettings, monitorSettings, devChainSettings].flatMap((settings: Settings) =>
      Object.values(settings).map((one) => one.key),
    ),
    ...TEST_KEYS,
  ]),
].sort()
