import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

import { type ContractTransaction, contractTransaction } from './contract-transaction.ts'
import { ProviderError } from './provider-error.ts'

const Quantity = Type.String({ pattern: '^0x[0-9a-fA-F]{1,64}$' })
const Address = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' })
const Hash = Type.String({ pattern: '^0x[0-9a-fA-F]{64}$' })
const AddressOrNone = Type.Optional(Type.Union([Address, Type.Null()]))

/** A transaction within a block, as far as it is read. */
const RpcTransaction = Type.Object({
  hash: Hash,
  transactionIndex: Quantity,
  from: Address,
  to: AddressOrNone,
  value: Quantity,
  input: Type.String({ pattern: '^0x([0-9a-fA-F]{2})*$' }),
  gas: Quantity,
  gasPrice: Type.Optional(Quantity),
})
export type RpcTransaction = Static<typeof RpcTransaction>

/** A block as `eth_getBlockByNumber` answers it with its transactions. */
const RpcBlock = Type.Object({
  number: Quantity,
  hash: Hash,
  parentHash: Hash,
  timestamp: Quantity,
  transactions: Type.Array(RpcTransaction),
})
export type RpcBlock = Static<typeof RpcBlock>

/** A receipt as `eth_getTransactionReceipt` answers it. */
const RpcReceipt = Type.Object({
  transactionHash: Hash,
  blockHash: Hash,
  contractAddress: AddressOrNone,
  gasUsed: Quantity,
  effectiveGasPrice: Type.Optional(Quantity),
  // Before Byzantium there is a state root in its place.
  status: Type.Optional(Type.Union([Type.Enum(['0x0', '0x1']), Type.Null()])),
})
export type RpcReceipt = Static<typeof RpcReceipt>

/** Compiled when the first answer comes, because workers that never ask load this module, too. */
let validators: ReturnType<typeof compile> | undefined

function compile() {
  return { block: Compile(RpcBlock), receipt: Compile(RpcReceipt), quantity: Compile(Quantity) }
}

/** @throws ProviderError `missing_blocks` when the node does not have the block, `invalid_data` when it is another or none. */
export function parseBlock(answer: unknown, number: number): RpcBlock {
  if (answer === null) throw new ProviderError('missing_blocks', `The node has no block ${number}, or not yet.`)
  validators ??= compile()
  if (validators.block.Check(answer) && Number(answer.number) === number) return answer
  throw invalid(`block ${number}`, validators.block.Errors(answer), answer)
}

/** @throws ProviderError `unavailable` when the node does not have the receipt (yet), `invalid_data` when it is another or none. */
export function parseReceipt(answer: unknown, { hash }: RpcTransaction, block: RpcBlock): RpcReceipt {
  if (answer === null)
    throw new ProviderError('unavailable', `The node has no receipt of transaction ${hash}, or not yet.`)
  validators ??= compile()
  const isSound = validators.receipt.Check(answer) && answer.transactionHash.toLowerCase() === hash.toLowerCase()
  if (!isSound) throw invalid(`the receipt of transaction ${hash}`, validators.receipt.Errors(answer), answer)
  if (answer.blockHash.toLowerCase() === block.hash.toLowerCase()) return answer
  const text = `Transaction ${hash} is in block ${block.hash} by one answer and in block ${answer.blockHash} by another: the chain was reorganised meanwhile.`
  throw new ProviderError('unavailable', text)
}

/** @throws ProviderError `invalid_data` for what is no block number. */
export function parseRpcHead(answer: unknown): number {
  validators ??= compile()
  if (validators.quantity.Check(answer)) return toNumber(answer)
  throw invalid('a block number', validators.quantity.Errors(answer), answer)
}

const STATUSES = { '0x0': 'failed', '0x1': 'success', '': null } as const

/** A row of what a node said about a transaction. */
export function rpcRow(block: RpcBlock, told: RpcTransaction, receipt: RpcReceipt): ContractTransaction {
  return contractTransaction({
    hash: told.hash,
    blockNumber: toNumber(block.number),
    transactionIndex: toNumber(told.transactionIndex),
    timestampSeconds: toNumber(block.timestamp),
    from: told.from,
    to: told.to ?? null,
    contractAddress: receipt.contractAddress ?? null,
    value: toDecimal(told.value),
    input: told.input,
    gas: toNumber(told.gas),
    gasUsed: toNumber(receipt.gasUsed),
    gasPrice: toDecimal(receipt.effectiveGasPrice ?? told.gasPrice ?? '0x0'),
    status: STATUSES[receipt.status ?? ''],
  })
}

function toNumber(quantity: string): number {
  const number = Number(quantity)
  if (Number.isSafeInteger(number)) return number
  throw new ProviderError(
    'invalid_data',
    `The node answered with ${quantity}, which is too large to be what it stands for.`,
  )
}

function toDecimal(quantity: string): string {
  return BigInt(quantity).toString()
}

function invalid(
  what: string,
  [problem]: readonly { readonly instancePath: string; readonly message: string }[],
  answer: unknown,
): ProviderError {
  const why = problem === undefined ? '' : ` (${problem.instancePath.replaceAll('/', '.')} ${problem.message})`
  const shown = (JSON.stringify(answer) ?? 'nothing').slice(0, 200)
  return new ProviderError('invalid_data', `The node answered with something that is not ${what}${why}: ${shown}`)
}
