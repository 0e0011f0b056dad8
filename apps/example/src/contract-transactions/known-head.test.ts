import { describe, expect, it } from 'vitest'

import { createKnownHead } from './known-head.ts'
import { ProviderError } from './provider-error.ts'
import type { TransactionProvider } from './transaction-provider.ts'

/** A provider whose answers are given by hand. */
const askedByHand = () => {
  const questions: PromiseWithResolvers<number>[] = []
  const provider: TransactionProvider = {
    head() {
      const question = Promise.withResolvers<number>()
      questions.push(question)
      return question.promise
    },
    read: async () => ({ rows: [], through: 0 }),
    close: async () => undefined,
  }
  return { provider, questions }
}
const query = (signal = new AbortController().signal) => ({ signal, permit: async () => undefined })
const turn = () => new Promise(setImmediate)

describe('createKnownHead', () => {
  it('asks once for all who ask together, and never again for what is known', async () => {
    const { provider, questions } = askedByHand()
    const head = createKnownHead()
    const asking = [5, 9, 10].map((block) => head.assertBlockExists(provider, block, query()))
    await turn()
    expect(questions).toHaveLength(1)
    questions[0]?.resolve(10)
    await Promise.all(asking)
    await head.assertBlockExists(provider, 7, query())
    expect(questions).toHaveLength(1)
  })

  it('asks again for a block above what is known, and says when it is not there', async () => {
    const { provider, questions } = askedByHand()
    const head = createKnownHead()
    const asking = [5, 20].map((block) => head.assertBlockExists(provider, block, query()))
    await turn()
    questions[0]?.resolve(10)
    await asking[0]
    await turn()
    questions[1]?.resolve(11)
    await expect(asking[1]).rejects.toMatchObject({ type: 'missing_blocks' })
  })

  it('lets the next one ask when a question fails', async () => {
    const { provider, questions } = askedByHand()
    const head = createKnownHead()
    const asking = [5, 6].map((block) => head.assertBlockExists(provider, block, query()))
    await turn()
    questions[0]?.reject(new ProviderError('timed_out', 'no answer'))
    await expect(asking[0]).rejects.toMatchObject({ type: 'timed_out' })
    await turn()
    questions[1]?.resolve(10)
    await expect(asking[1]).resolves.toBeUndefined()
  })

  it("does not wait for another's answer when its own signal aborts", async () => {
    const { provider } = askedByHand()
    const head = createKnownHead()
    const abort = new AbortController()
    head.assertBlockExists(provider, 5, query()).catch(() => undefined)
    const waiting = head.assertBlockExists(provider, 5, query(abort.signal))
    abort.abort(new Error('the worker stops'))
    await expect(waiting).rejects.toThrow('the worker stops')
  })
})
