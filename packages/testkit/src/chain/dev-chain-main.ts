import { parseArgs } from 'node:util'

import { createLogger, DEV_CHAIN_PORT } from '@blockmill/core'

import { startDevChain } from './dev-chain.ts'

// Runs a development chain as a process of its own:
//   node dev-chain-main.ts [--port 9955] [--block-time 1000 | on-demand] [--finality-lag 0]
// Prints one line of JSON, { url, genesisHash, pid }, when clients can connect. Ends on SIGINT or SIGTERM.
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: String(DEV_CHAIN_PORT) },
    'block-time': { type: 'string', default: '1000' },
    'finality-lag': { type: 'string', default: '0' },
  },
})

const chain = await startDevChain({
  port: wholeNumber('port', values.port),
  blockTime: values['block-time'] === 'on-demand' ? 'on-demand' : wholeNumber('block-time', values['block-time']),
  finalityLag: wholeNumber('finality-lag', values['finality-lag']),
  logger: createLogger({ service: 'dev-chain' }),
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void chain.stop())
process.stdout.write(`${JSON.stringify({ url: chain.url, genesisHash: chain.genesisHash, pid: process.pid })}\n`)

function wholeNumber(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} must be a whole number, not '${value}'.`)
  return Number(value)
}
