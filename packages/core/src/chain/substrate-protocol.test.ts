import { expect, it } from 'vitest'

import { RpcAnswerError } from './rpc-answer-error.ts'
import { substrateProtocol } from './substrate-protocol.ts'

it.each([
  [4003, 'Client error: UnknownBlock: State already discarded for 0x00', true],
  [4003, 'Client error: Api called for an unknown Block: State already discarded for 0x00', true],
  [4003, 'Client error: Execution failed: Trie lookup error: Database missing expected key: 0x00', true],
  [4003, 'Client error: UnknownBlock: Header was not found in the database: 0x00', false],
  [-32_000, 'busy', false],
])('an answer %d %j means that the state is gone: %j', (code, text, isDiscarded) => {
  expect(substrateProtocol.isStateDiscarded(new RpcAnswerError(code, text))).toBe(isDiscarded)
})
