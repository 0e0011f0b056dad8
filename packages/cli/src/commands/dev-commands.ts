import { devChainSettings } from '@blockmill/core'
import { type Command, InvalidArgumentError } from 'commander'

import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'

/** Adds `blockmill dev`, the whole system on this machine, and `blockmill dev-chain`. */
export function addDevCommands(program: Command, setStatus: SetStatus): void {
  program
    .command('dev')
    .description('run the whole system on this machine: broker, database, chain, scheduler, two workers, monitor')
    .option('--blocks <count>', 'end by itself when every task of this many blocks is finished', wholeNumber)
    .option('--block-time <ms>', 'time between two blocks', wholeNumber, 1_000)
    .action(async (options: { blocks?: number; blockTime: number }) => {
      const { runDemo } = await import('../demo/run-demo.ts')
      setStatus(await runDemo(options))
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
