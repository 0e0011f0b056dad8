import { ConfigurationError } from '../errors/blockmill-error.ts'
import { openJsonRpcHttp } from './json-rpc-http.ts'
import { type JsonRpcSocket, type JsonRpcSocketOptions, openJsonRpcSocket } from './json-rpc-socket.ts'
import { redactUrl } from './redact-url.ts'

/**
 * Opens a connection by the protocol of the URL: `ws:` and `wss:` a WebSocket, `http:` and `https:` what looks like one. Rejects
 * with a `RetryableError`, `CHAIN_UNREACHABLE`, with the signal's reason, or with a `ConfigurationError` for a protocol that is not spoken.
 */
export function openJsonRpc(options: JsonRpcSocketOptions, signal?: AbortSignal): Promise<JsonRpcSocket> {
  const { protocol } = new URL(options.url)
  switch (protocol) {
    case 'ws:':
    case 'wss:':
      return openJsonRpcSocket(options, signal)
    case 'http:':
    case 'https:':
      return openJsonRpcHttp(options, signal)
    default: {
      const text = `${redactUrl(options.url)} cannot be used: '${protocol}' is not spoken. Give a URL that begins with ws, wss, http or https.`
      return Promise.reject(new ConfigurationError('CONFIG_INVALID', text))
    }
  }
}
