import { devChainSettings, type LoadConfigOptions, runService } from '@blockmill/core'
import { startDevChain } from '@blockmill/testkit'

/** Runs a development chain until the process is asked to end. Returns the exit status. */
export function runDevChain(sources: LoadConfigOptions): Promise<number> {
  return runService({
    ...sources,
    name: 'dev-chain',
    settings: devChainSettings,
    create({ config, logger }) {
      let starting: ReturnType<typeof startDevChain> | undefined
      return {
        async start() {
          const { host, port, file, blockTimeMs: blockTime } = config
          starting = startDevChain({ host, port, blockTime, logger, ...(file !== undefined && { file }) })
          const { url, genesisHash } = await starting
          logger.info({ url, genesisHash }, 'building blocks')
          return url
        },
        async stop() {
          await (await starting)?.stop()
        },
      }
    },
  })
}
