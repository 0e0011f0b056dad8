import { ConfigurationError } from '../errors/blockmill-error.ts'
import { type JsonRpcSocket, type JsonRpcSocketOptions, openJsonRpcSocket } from './json-rpc-socket.ts'
import { redactUrl } from './redact-url.ts'

/**
 * Opens a connection by the protocol of the URL: `ws:` and `wss:` a WebSocket. Rejects with a `RetryableError`,
 * `CHAIN_UNREACHABLE`, with the signal's reason, or with a `ConfigurationError` for a protocol that is not spoken.
 */
export function openJsonRpc(options: JsonRpcSocketOptions, signal?: AbortSignal): Promise<JsonRpcSocket> {
  const { protocol } = new URL(options.url)
  switch (protocol) {
    case 'ws:':
    case 'wss:':
      return openJsonRpcSocket(options, signal)
    default: {
      const text = `${redactUrl(options.url)} cannot be used: '${protocol}' is not spoken. Give a ws:// or wss:// URL.`
      return Promise.reject(new ConfigurationError('CONFIG_INVALID', text))
    }
  }
}
