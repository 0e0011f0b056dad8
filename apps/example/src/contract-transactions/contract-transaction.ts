/**
 * A transaction of a contract or an account: sent by it, sent to it, or the one that created it. Both providers give the same
 * rows, bit for bit. Calls from one contract to another are no transactions and have no rows.
 *
 * Amounts are decimal text, because they exceed 2^53. The other numbers are numbers: no chain comes near 2^53 with them.
 */
// A type and not an interface, so that it is a JSON object to the compiler.
export type ContractTransaction = {
  /** 0x and 64 hex digits, lower case. */
  readonly hash: string
  readonly blockNumber: number
  /** Its place in the block, from 0. */
  readonly transactionIndex: number
  /** Time of the block: ISO 8601, UTC. */
  readonly timestamp: string
  /** 0x and 40 hex digits, lower case, as all addresses. */
  readonly from: string
  /** `null` when it created a contract. */
  readonly to: string | null
  /** The contract that it created; `null` when it created none, or failed to. */
  readonly contractAddress: string | null
  /** In wei, decimal. */
  readonly value: string
  /** `0x` when there is none; lower case. */
  readonly input: string
  /** The limit that the sender set. */
  readonly gas: number
  readonly gasUsed: number
  /** What was paid for one unit of gas, in wei, decimal. */
  readonly gasPrice: string
  /** `null` in blocks before Byzantium (4,370,000 on Ethereum), which do not say whether a transaction succeeded. */
  readonly status: 'success' | 'failed' | null
}

/** What a transaction is made of, in the words of whoever told it: addresses in any case, a contract although it failed. */
export interface ToldTransaction extends Omit<ContractTransaction, 'timestamp'> {
  /** Unix time of the block. */
  readonly timestampSeconds: number
}

/** A row as both providers write it. Its members are always in the same order, so that equal rows are equal texts. */
export function contractTransaction(told: ToldTransaction): ContractTransaction {
  const { status } = told
  return {
    hash: told.hash.toLowerCase(),
    blockNumber: told.blockNumber,
    transactionIndex: told.transactionIndex,
    timestamp: new Date(told.timestampSeconds * 1_000).toISOString(),
    from: told.from.toLowerCase(),
    to: told.to?.toLowerCase() ?? null,
    contractAddress: status === 'failed' ? null : (told.contractAddress?.toLowerCase() ?? null),
    value: told.value,
    input: told.input.toLowerCase(),
    gas: told.gas,
    gasUsed: told.gasUsed,
    gasPrice: told.gasPrice,
    status,
  }
}

/** Whether a transaction is one of the address: sent by it, sent to it, or the one that created it. `address` in lower case. */
export function isTransactionOf({ from, to, contractAddress }: ContractTransaction, address: string): boolean {
  return from === address || to === address || contractAddress === address
}

/** The order of rows: that of the chain. */
export function compareTransactions(a: ContractTransaction, b: ContractTransaction): number {
  return a.blockNumber - b.blockNumber || a.transactionIndex - b.transactionIndex
}
