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
          starting = startDevChain({ host: config.host, port: config.port, blockTime: config.blockTimeMs, logger })
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
