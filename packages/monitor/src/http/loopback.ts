import { BlockList, isIP } from 'node:net'

import { ConfigurationError } from '@blockmill/core'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** True for addresses and names that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const version = isIP(bare)
  if (version === 0) return bare === 'localhost' || bare.endsWith('.localhost')
  return LOOPBACK.check(bare, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Without a token, whoever reaches the monitor may read and change everything, so only this machine may reach it.
 *
 * @throws ConfigurationError `CONFIG_INVALID` for any other address without a token.
 */
export function assertProtected(host: string, { needsToken }: { readonly needsToken: boolean }): void {
  if (needsToken || isLoopback(host)) return
  throw new ConfigurationError(
    'CONFIG_INVALID',
    `HOST (--host) is ${host}, but no token is set: whoever can reach that address could read and change everything. ` +
      'Set BLOCKMILL_OPERATOR_TOKEN or BLOCKMILL_VIEWER_TOKEN (or their _FILE), or use 127.0.0.1, ::1 or localhost.',
  )
}

/**
 * True when a request was made for this machine by name or address. A page from elsewhere whose name was made to point to
 * 127.0.0.1 (DNS rebinding) sends its own name.
 *
 * @param host the `Host` header, with or without port.
 */
export function isLocalRequest(host: string | undefined): boolean {
  return host !== undefined && URL.canParse(`http://${host}`) && isLoopback(new URL(`http://${host}`).hostname)
}
