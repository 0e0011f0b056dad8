// The tasks are not listed here: scheduler and worker find them by themselves, in every file of the folder `tasks`.
export { defineContractTransactions } from './contract-transactions/define-contract-transactions.ts'
export { fetchContractTransactions } from './contract-transactions/fetch-contract-transactions.ts'
export { getAllTransactions } from './contract-transactions/get-all-transactions.ts'
export { PROVIDER_FAILURES, ProviderError } from './contract-transactions/provider-error.ts'
export { loadProviderSettings } from './contract-transactions/provider-settings.ts'
export { PROVIDERS } from './contract-transactions/transaction-provider.ts'

export type { ContractTransaction } from './contract-transactions/contract-transaction.ts'
export type { ContractTransactionsOptions } from './contract-transactions/define-contract-transactions.ts'
export type {
  ContractTransactionsJob,
  FetchContractTransactionsOptions,
} from './contract-transactions/fetch-contract-transactions.ts'
export type { GetAllTransactionsOptions } from './contract-transactions/get-all-transactions.ts'
export type { ProviderFailure } from './contract-transactions/provider-error.ts'
export type { ProviderSettings, RpcUrls } from './contract-transactions/provider-settings.ts'
export type { ProviderName } from './contract-transactions/transaction-provider.ts'
export type { TransactionRequest } from './contract-transactions/transaction-request.ts'
