import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'

import type { BrokerTls } from './broker-url.ts'

/** What is given to Node's TLS socket. */
export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'>

/**
 * Options for Node's TLS socket. Files are read at each connect, so that certificates may be renewed while a service runs.
 *
 * @throws the error of the file system for a file that cannot be read.
 */
export function readTlsOptions(tls: BrokerTls | undefined): TlsOptions {
  if (tls === undefined) return {}
  const { caFile, certFile, keyFile, serverName } = tls
  return {
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
    ...(certFile !== undefined && { cert: readFileSync(certFile) }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile) }),
    ...(serverName !== undefined && { servername: serverName }),
  }
}
