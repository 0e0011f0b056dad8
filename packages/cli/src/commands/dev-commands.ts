import { devChainSettings } from '@blockmill/core'
import { type Command, InvalidArgumentError } from 'commander'

import { demoSettings } from '../demo/demo-settings.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'

/** Adds `blockmill dev`, the whole system on this machine, and `blockmill dev-chain`. */
export function addDevCommands(program: Command, setStatus: SetStatus): void {
  const dev = program
    .command('dev')
    .description('run the whole system on this machine: broker, database, chain, scheduler, two workers, monitor')
    .option('--blocks <count>', 'end by itself when every task of this many blocks is finished', wholeNumber)
  addSettingOptions(dev, demoSettings).action(async ({ blocks }: { blocks?: number }) => {
    const sources = { commandLine: settingValues(dev, demoSettings) }
    const { runDemo } = await import('../demo/run-demo.ts')
    setStatus(await runDemo({ sources, ...(blocks === undefined ? {} : { blocks }) }))
  })

  const chain = program
    .command('dev-chain')
    .description('run a development chain: a real Substrate runtime, no network')
  addSettingOptions(chain, devChainSettings).action(async () => {
    const { runDevChain } = await import('../demo/run-dev-chain.ts')
    setStatus(await runDevChain({ commandLine: settingValues(chain, devChainSettings) }))
  })
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new InvalidArgumentError(`It must be a whole number from 1 up.`)
}
