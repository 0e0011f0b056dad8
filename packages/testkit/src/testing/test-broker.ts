import { randomBytes } from 'node:crypto'

import { afterAll } from 'vitest'

import { removeBrokerNamespace } from '../services/broker-namespace.ts'
import { sharedServices } from './shared-services.ts'

/** A test file's part of the shared broker. */
export interface TestBroker {
  /** AMQP URL. */
  readonly url: string
  /** Base URL of the management HTTP API with user and password; see `callManagement`. */
  readonly managementUrl: string | undefined
  /** A namespace that no other file has. Name queues and exchanges `<namespace>.…`, as `createTopology` does. */
  readonly namespace: string
}

/**
 * Gives the calling test file a namespace of its own on the shared broker, and deletes the queues and exchanges in it after
 * the file's tests. Call it at the top of a test file or in a `describe`.
 */
export function testBroker(): TestBroker {
  const { brokerUrl, managementUrl } = sharedServices()
  const namespace = `test-${randomBytes(5).toString('hex')}`
  afterAll(async () => {
    // A broker from the environment without a management API keeps them; the namespace is never used again.
    if (managementUrl !== undefined) await removeBrokerNamespace(managementUrl, brokerUrl, namespace)
  })
  return { url: brokerUrl, managementUrl, namespace }
}
