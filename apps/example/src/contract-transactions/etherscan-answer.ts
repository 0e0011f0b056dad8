import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

import { type ContractTransaction, contractTransaction } from './contract-transaction.ts'
import { excerpt, refusal } from './etherscan-refusal.ts'
import { ProviderError } from './provider-error.ts'

const Digits = Type.String({ pattern: '^[0-9]{1,78}$' })
const Hash = Type.String({ pattern: '^0x[0-9a-fA-F]{64}$' })
const Address = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' })
/** APIs write what is not there in three ways. */
const AddressOrNone = Type.Optional(Type.Union([Address, Type.Literal(''), Type.Null()]))

/** A row of `txlist`, as far as it is read. */
const EtherscanTransaction = Type.Object({
  hash: Hash,
  blockNumber: Digits,
  // Compatible APIs may leave it out.
  blockHash: Type.Optional(Type.Union([Hash, Type.Literal(''), Type.Null()])),
  transactionIndex: Digits,
  timeStamp: Digits,
  from: Address,
  to: AddressOrNone,
  contractAddress: AddressOrNone,
  value: Digits,
  input: Type.String({ pattern: '^0x([0-9a-fA-F]{2})*$' }),
  gas: Digits,
  gasUsed: Digits,
  gasPrice: Digits,
  txreceipt_status: Type.Optional(Type.Enum(['0', '1', ''])),
})
type EtherscanTransaction = Static<typeof EtherscanTransaction>

/** Ether that the genesis block gave out, which Etherscan lists as if it were a transaction: hash `GENESIS_…`, from `GENESIS`. */
const GenesisGrant = Type.Object({ hash: Type.String({ pattern: '^GENESIS' }), blockNumber: Digits })

/** What an answer of `txlist` has in one place. */
export interface ListedTransaction {
  readonly blockNumber: number
  /** Lower case; `undefined` where the API does not tell. */
  readonly blockHash: string | undefined
  /** `undefined` for what is no transaction, and yet counts where rows are counted: a grant of the genesis block. */
  readonly row: ContractTransaction | undefined
}

/** Compiled when the first answer comes, because workers that never ask load this module, too. */
let validators: ReturnType<typeof compile> | undefined

function compile() {
  return { transaction: Compile(EtherscanTransaction), grant: Compile(GenesisGrant) }
}

const STATUSES = { '0': 'failed', '1': 'success', '': null } as const
/** The last second that a `Date` can hold. */
const LAST_SECOND = 8.64e12

/**
 * Reads an answer of the action `txlist`.
 * @throws ProviderError for what APIs answer with HTTP status 200 in place of rows, and for rows that break their schema.
 */
export function parseTransactions(body: unknown): readonly ListedTransaction[] {
  const result = resultOf(body)
  if (typeof result === 'string') throw refusal(result)
  if (!Array.isArray(result)) throw notTransactions(`result must be a list and is ${show(result)}`)
  return result.map(toListed)
}

/**
 * Reads an answer of the action `getblocknobytime`: text, or an object with it in Blockscout.
 * @throws ProviderError like `parseTransactions`.
 */
export function parseBlockNumber(body: unknown): number {
  const result = resultOf(body)
  const told = typeof result === 'object' && result !== null && 'blockNumber' in result ? result.blockNumber : result
  if (typeof told === 'string' && /^\d+$/.test(told)) return toNumber(told)
  throw notABlockNumber(result)
}

/**
 * Reads an answer of the action `eth_blockNumber`.
 * @throws ProviderError like `parseTransactions`.
 */
export function parseHead(body: unknown): number {
  const result = resultOf(body)
  if (typeof result === 'string' && /^0x[0-9a-f]+$/i.test(result)) return toNumber(result)
  throw notABlockNumber(result)
}

function notABlockNumber(result: unknown): ProviderError {
  // Some refuse where the answer should be.
  if (typeof result === 'string') return refusal(result)
  return new ProviderError(
    'invalid_data',
    `The API answered with something that is not a block number: ${show(result)}`,
  )
}

function toListed(told: unknown, index: number): ListedTransaction {
  const { transaction, grant } = (validators ??= compile())
  if (grant.Check(told)) return { blockNumber: toNumber(told.blockNumber), blockHash: undefined, row: undefined }
  if (transaction.Check(told)) {
    const row = toTransaction(told)
    return { blockNumber: row.blockNumber, blockHash: told.blockHash?.toLowerCase() || undefined, row }
  }
  const [problem] = transaction.Errors(told)
  const why = problem === undefined ? '' : `${problem.instancePath.replaceAll('/', '.')} ${problem.message}`
  throw notTransactions(`result.${index}${why}`)
}

function notTransactions(why: string): ProviderError {
  return new ProviderError('invalid_data', `The API answered with rows that are not transactions: ${why}.`)
}

function toTransaction(told: EtherscanTransaction): ContractTransaction {
  const timestampSeconds = toNumber(told.timeStamp)
  if (timestampSeconds > LAST_SECOND) throw tooLarge(told.timeStamp)
  return contractTransaction({
    hash: told.hash,
    blockNumber: toNumber(told.blockNumber),
    transactionIndex: toNumber(told.transactionIndex),
    timestampSeconds,
    from: told.from,
    to: addressOrNull(told.to),
    contractAddress: addressOrNull(told.contractAddress),
    value: withoutZeros(told.value),
    input: told.input,
    gas: toNumber(told.gas),
    gasUsed: toNumber(told.gasUsed),
    gasPrice: withoutZeros(told.gasPrice),
    status: STATUSES[told.txreceipt_status ?? ''],
  })
}

function addressOrNull(address: string | null | undefined): string | null {
  return address === undefined || address === '' ? null : address
}

function toNumber(digits: string): number {
  const number = Number(digits)
  if (Number.isSafeInteger(number)) return number
  throw tooLarge(digits)
}

function tooLarge(digits: string): ProviderError {
  return new ProviderError(
    'invalid_data',
    `The API answered with ${digits}, which is too large to be what it stands for.`,
  )
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '')
}

/** What the answer carries; an empty list when it says that there is nothing. */
function resultOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) throw notAnAnswer(body)
  const { status, message, result } = body as Readonly<Record<'status' | 'message' | 'result', unknown>>
  // The module `proxy` passes on what a node answers.
  if ('jsonrpc' in body && !('error' in body)) return result
  if (status === '1' && !/^notok/i.test(String(message))) return result
  const text = [message, result].filter((part) => typeof part === 'string').join(': ')
  if (/^no (transactions|records) found/i.test(text)) return []
  if ('error' in body) throw refusal(show(body.error))
  if (text === '') throw notAnAnswer(body)
  throw refusal(text)
}

function notAnAnswer(body: unknown): ProviderError {
  return new ProviderError('invalid_data', `The API answered with something that it should not: ${show(body)}`)
}

function show(value: unknown): string {
  return excerpt(JSON.stringify(value) ?? 'nothing', 200)
}
