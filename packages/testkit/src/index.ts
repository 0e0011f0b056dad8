export { startAnvil } from './chain/anvil.ts'
export { loadContract } from './chain/contract-load.ts'
export { readTrueTransactions } from './chain/contract-truth.ts'
export { startDevChain } from './chain/dev-chain.ts'
export { startEtherscanFacade } from './chain/etherscan-facade.ts'
export {
  chainTransactions,
  listTransactions,
  syntheticRow,
  syntheticTransactions,
} from './chain/etherscan-transactions.ts'
export { startEvmProxy } from './chain/evm-proxy.ts'
export { JsonRpcError, startJsonRpcServer } from './chain/json-rpc-server.ts'
export { createScriptedChain } from './chain/scripted-chain.ts'
export { removeBrokerNamespace } from './services/broker-namespace.ts'
export { startBroker } from './services/broker.ts'
export { callManagement } from './services/management-api.ts'
export { startNativeBroker } from './services/native-broker.ts'
export { startNativePostgres } from './services/native-postgres.ts'
export { createDatabase, dropDatabase } from './services/postgres-databases.ts'
export { startPostgres } from './services/postgres.ts'
export { SERVICE_SOURCES } from './services/service-settings.ts'
export { startTcpProxy } from './proxy/tcp-proxy.ts'
export { recordEnqueues } from './testing/enqueue-recorder.ts'
export { createFakeBroker } from './testing/fake-broker.ts'
export { runRangeTask } from './testing/run-range-task.ts'
export { recordRows } from './testing/row-recorder.ts'
export { runTask } from './testing/run-task.ts'
export { waitFor } from './testing/wait-for.ts'

export type { Anvil, AnvilBlock, AnvilOptions, AnvilTransaction } from './chain/anvil.ts'
export type { ContractLoad, ContractLoadOptions } from './chain/contract-load.ts'
export type { TrueTransaction } from './chain/contract-truth.ts'
export type { DevChain, DevChainFaults, DevChainOptions } from './chain/dev-chain.ts'
export type { DevBlock } from './chain/dev-chain-node.ts'
export type {
  EtherscanFacade,
  EtherscanFacadeOptions,
  EtherscanFault,
  EtherscanLimits,
  EtherscanRequest,
} from './chain/etherscan-facade.ts'
export type {
  EtherscanRow,
  EtherscanRowsQuery,
  EtherscanTransactions,
  SyntheticTransactionsOptions,
} from './chain/etherscan-transactions.ts'
export type { EvmProxy, EvmProxyOptions } from './chain/evm-proxy.ts'
export type {
  ConnectionRefusal,
  JsonRpcConnection,
  JsonRpcMethod,
  JsonRpcServer,
  JsonRpcServerOptions,
} from './chain/json-rpc-server.ts'
export type { RpcFailure } from './chain/rpc-failures.ts'
export type { ScriptedChain, ScriptedChainOptions, ScriptedFailure, ScriptedRequest } from './chain/scripted-chain.ts'
export type { TcpProxy, TcpProxyOptions } from './proxy/tcp-proxy.ts'
export type { Broker, BrokerOptions } from './services/broker.ts'
export type { NativeBroker, NativeBrokerOptions } from './services/native-broker.ts'
export type { NativePostgres, NativePostgresOptions } from './services/native-postgres.ts'
export type { Postgres, PostgresOptions } from './services/postgres.ts'
export type { ServiceSource } from './services/service-settings.ts'
export type { EnqueueRecorder, RecordedEnqueue } from './testing/enqueue-recorder.ts'
export type { FakeBroker } from './testing/fake-broker.ts'
export type { QueuedMessage } from './testing/fake-queue.ts'
export type { RecordedCheckpoint, RowRecorder } from './testing/row-recorder.ts'
export type { RangeTaskRun, RangeTaskRunContext } from './testing/run-range-task.ts'
export type { WaitForOptions } from './testing/wait-for.ts'
