import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

import { SECURITY_HEADERS } from './security-headers.ts'

/** What is wrong with bytes that are no whole request, by the code of Node's parser and server. */
const PROBLEMS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are larger than 16 KiB together.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of the chunks are too large.'],
}

/** Answers what never becomes a request with a problem, and ends its connection. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  // Half an answer cannot be taken back, and whoever is gone needs none.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, detail] = PROBLEMS[error.code ?? ''] ?? [400, 'This is no HTTP request that can be read.']
  const title = STATUS_CODES[status] ?? 'Error'
  const body = JSON.stringify({ title, status, detail })
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${title}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy())
}
