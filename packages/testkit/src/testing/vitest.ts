export { failOnLeaks } from './leak-check.ts'
export { sharedServices } from './shared-services.ts'
export { testBroker } from './test-broker.ts'
export { testDatabase } from './test-database.ts'

export type { SharedServices } from './shared-services.ts'
export type { TestBroker } from './test-broker.ts'
export type { TestDatabase, TestDatabaseOptions } from './test-database.ts'
