export { BlockmillError, ConfigurationError, NonRetryableError, RetryableError } from './errors/blockmill-error.ts'
export { ERROR_CODES } from './errors/error-codes.ts'
export { HEADS } from './chain/chain-source.ts'
export { createWakeUps } from './chain/wake-ups.ts'
export { createLogger, createSilentLogger, LOG_LEVELS } from './observability/logger.ts'
export { createMetrics } from './observability/metrics.ts'

export type { BlockmillErrorOptions, ErrorKind } from './errors/blockmill-error.ts'
export type { ErrorCode } from './errors/error-codes.ts'
export type {
  BlockRef,
  ChainAccess,
  ChainAccessBase,
  ChainAccessByKind,
  ChainKind,
  SubstrateAccess,
  SubstrateBlock,
} from './chain/chain-access.ts'
export type { BlockHeader, ChainBlock, ChainSource, Head } from './chain/chain-source.ts'
export type { WakeUps } from './chain/wake-ups.ts'
export type { Logger, LoggerOptions, LogLevel } from './observability/logger.ts'
export type { Metrics } from './observability/metrics.ts'
