import { describe, expect, it } from 'vitest'

import { RetryableError } from '../errors/blockmill-error.ts'
import { createLogger } from '../observability/logger.ts'
import { createEvmFinality } from './evm-finality.ts'
import { RpcAnswerError } from './rpc-answer-error.ts'
import { answeredWithError } from './rpc-failure.ts'

const blockOf = (number: number) => ({ number, hash: `hash ${number}`, parentHash: `hash ${number - 1}` })
const refuse = (code: number, message: string) => () => {
  throw answeredWithError('node', 'eth_getBlockByNumber', new RpcAnswerError(code, message))
}
type Answers = Readonly<Record<string, (() => never) | number | undefined>>

/** A node at block 100 that answers to tags as it is told. */
function nodeThatSays(first: Answers) {
  const node = { answers: first }
  const asked: string[] = []
  const lines: { readonly msg: string; readonly instead: string }[] = []
  const finality = createEvmFinality({
    async read(name) {
      asked.push(name)
      const answer = name === 'latest' ? 100 : name.startsWith('0x') ? Number(name) : node.answers[name]
      if (typeof answer === 'function') return answer()
      return answer === undefined ? undefined : blockOf(answer)
    },
    depth: 64,
    logger: createLogger({ service: 'test', destination: { write: (line) => void lines.push(JSON.parse(line)) } }),
  })
  return { node, asked, lines, finality, finalized: async () => (await finality.finalized()).number }
}

const UNKNOWN_TAG = refuse(-32_602, 'invalid argument 0: hex string without 0x prefix')

describe('what is finalized on an EVM chain', () => {
  it('is what the node says', async () => {
    const { asked, finalized } = nodeThatSays({ finalized: 90, safe: 95 })
    expect(await finalized()).toBe(90)
    expect(asked).toEqual(['finalized'])
  })

  it.each([
    ['-32602', UNKNOWN_TAG],
    ['-32600', refuse(-32_600, 'bad request')],
    ['-32000', refuse(-32_000, 'invalid block tag')],
    ['-32000', refuse(-32_000, 'finalized block not found')],
    ['null', undefined],
  ])('is the safe block where the answer is %s', async (_, answer) => {
    expect(await nodeThatSays({ finalized: answer, safe: 95 }).finalized()).toBe(95)
  })

  it('is counted back from the head where the node knows neither, and warned of once', async () => {
    const { lines, finalized } = nodeThatSays({ finalized: UNKNOWN_TAG, safe: UNKNOWN_TAG })
    expect([await finalized(), await finalized()]).toEqual([36, 36])
    expect(lines).toMatchObject([{ instead: 'the block 64 behind the head' }])
  })

  it('is asked for without tags that the node does not know, until there is another connection', async () => {
    const { node, asked, finality, finalized } = nodeThatSays({ finalized: UNKNOWN_TAG, safe: UNKNOWN_TAG })
    await finalized()
    asked.length = 0
    await finalized()
    expect(asked).toEqual(['latest', '0x24'])
    node.answers = { finalized: 90 }
    finality.reset()
    expect(await finalized()).toBe(90)
  })

  it('is asked for again where the tag is known but the block is not there yet', async () => {
    const { node, finalized } = nodeThatSays({ finalized: refuse(-39_001, 'unknown block'), safe: undefined })
    expect(await finalized()).toBe(36)
    node.answers = { finalized: 90 }
    expect(await finalized()).toBe(90)
  })

  it('is nothing weaker any more once the chain has named a finalized block', async () => {
    const { node, finality, finalized } = nodeThatSays({ finalized: 90, safe: 95 })
    await finalized()
    for (const answer of [UNKNOWN_TAG, undefined]) {
      node.answers = { finalized: answer, safe: 95 }
      finality.reset()
      await expect(finalized()).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_RPC_FAILED' })
    }
  })

  it('is nothing weaker than safe once the chain has named a safe block', async () => {
    const { node, finality, finalized } = nodeThatSays({ safe: 95 })
    expect(await finalized()).toBe(95)
    node.answers = { safe: UNKNOWN_TAG }
    finality.reset()
    await expect(finalized()).rejects.toThrow('does not tell which block is safe any more')
    node.answers = { finalized: 90 }
    finality.reset()
    expect(await finalized()).toBe(90)
  })

  it.each([
    ['an error of the node', refuse(-32_603, 'internal error')],
    ['a limit on the rate', refuse(429, 'Too Many Requests')],
    [
      'a connection that is lost',
      () => {
        throw new RetryableError('CHAIN_UNREACHABLE', 'gone')
      },
    ],
  ])('is not guessed after %s', async (_, failure) => {
    const { asked, finalized } = nodeThatSays({ finalized: failure, safe: 95 })
    await expect(finalized()).rejects.toBeInstanceOf(RetryableError)
    expect(asked).toEqual(['finalized'])
  })
})
