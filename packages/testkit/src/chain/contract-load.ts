import type { Anvil } from './anvil.ts'
import { callJsonRpcBatch, type JsonRpcCall } from './call-json-rpc.ts'

export interface ContractLoadOptions {
  /** Transactions of the contract, those of `crowdedBlock` included, its creation not. */
  readonly transactions: number
  /** Transactions in a block. Default 50. */
  readonly perBlock?: number
  /** Transactions in one block in the middle, to have more there than an API gives in one answer. Default: as in the others. */
  readonly crowdedBlock?: number
}

/** Where the transactions are. */
export interface ContractLoad {
  /** The contract, lower case. */
  readonly address: string
  /** The block that has its creation. */
  readonly from: number
  /** The last block with a transaction. */
  readonly to: number
  /** The block with more transactions than the others. */
  readonly crowded: number
}

/**
 * Counts its calls in its storage, and reverts when the data begins with 0xff:
 *
 *     if (byte(0, calldataload(0)) == 0xff) revert(0, 0)
 *     sstore(0, sload(0) + 1)
 */
const RUNTIME = '60003560001a60ff14601657600160005401600055005b60006000fd'
/** Copies the 28 bytes behind itself, and returns them. */
const CODE = `0x601c600c600039601c6000f3${RUNTIME}`
/** An invalid instruction: creates nothing. */
const FAILING_CODE = '0xfe'

/** Enough for each transaction here. */
const GAS = 200_000
const BLOCK_GAS = 2_000_000_000
/** Requests in one body. */
const BATCH = 250

/**
 * Creates a contract and fills the chain with real transactions: calls of it that succeed and that fail, transfers to it, and, which are
 * none of its own, transfers between others, some of them to themselves, and creations of other contracts, some of which fail; empty
 * blocks between full ones. The same ones each time. Makes some thousand transactions in a second.
 */
export async function loadContract(
  chain: Anvil,
  { transactions, perBlock = 50, crowdedBlock = perBlock }: ContractLoadOptions,
): Promise<ContractLoad> {
  await chain.request('evm_setBlockGasLimit', [hex(BLOCK_GAS)])
  const address = (await chain.deploy(CODE)).toLowerCase()
  const { number: from } = await chain.head()
  const accounts = (await chain.request('eth_accounts')) as readonly string[]
  const nonces = new Map<string, number>()
  for (const account of accounts)
    nonces.set(account, Number(await chain.request('eth_getTransactionCount', [account, 'latest'])))

  const send = (index: number, transaction: Readonly<Record<string, string>>): JsonRpcCall => {
    const account = accounts[index % accounts.length] ?? ''
    const nonce = nonces.get(account) ?? 0
    nonces.set(account, nonce + 1)
    return ['eth_sendTransaction', [{ from: account, gas: hex(GAS), nonce: hex(nonce), ...transaction }]]
  }
  /** A transaction of the contract, and one of others beside some. */
  const calls = (index: number): readonly JsonRpcCall[] => {
    const own = send(index, { to: address, ...ownTransaction(index) })
    if (index % 11 === 0) return [own, send(index + 1, { to: accounts[index % 7] ?? '', value: hex(index + 1) })]
    return index % 53 === 0 ? [own, send(index + 1, { data: index % 159 === 0 ? FAILING_CODE : CODE })] : [own]
  }

  let crowded = from
  const middle = Math.floor((transactions - crowdedBlock) / perBlock / 2)
  for (let sent = 0, block = 0; sent < transactions; block += 1) {
    const size = Math.min(transactions - sent, block === middle ? crowdedBlock : perBlock)
    const all = Array.from({ length: size }, (_, index) => calls(sent + index)).flat()
    for (let at = 0; at < all.length; at += BATCH) await callJsonRpcBatch(chain.url, all.slice(at, at + BATCH))
    const { number } = await chain.mine()
    if (block === middle) crowded = number
    if (block % 4 === 0) await chain.mine(2)
    sent += size
  }
  const { number: to } = await chain.head()
  return { address, from, to, crowded }
}

function ownTransaction(index: number): Readonly<Record<string, string>> {
  if (index % 5 === 0) return { value: hex(10n ** 16n + BigInt(index)) }
  if (index % 7 === 0) return { data: `0xff${String(index).padStart(8, '0')}` }
  // Some with the length that data of real calls may have.
  return { data: `0xa9059cbb${String(index).padStart(index % 97 === 0 ? 8_192 : 64, '0')}` }
}

function hex(number: number | bigint): string {
  return `0x${number.toString(16)}`
}
