import { Pool } from 'undici'

import { decodeUrlPart } from './redact-url.ts'
import { parseRetryAfter } from './retry-after.ts'

export interface HttpPostOptions {
  /** `http://` or `https://`. A user and password in it become a header. */
  readonly url: string
  readonly connectTimeoutMs: number
  /** From the call to the last byte that is received. */
  readonly requestTimeoutMs: number
  readonly maxAnswerBytes: number
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number
  /** How long the server wants to be left alone, where it said so. */
  readonly retryAfterMs: number | undefined
  readonly body: string
}

/** Posts JSON to one URL, on connections that are kept alive. */
export interface HttpPost {
  /**
   * Rejects with what happened on the way; whatever the server answers is no failure. Posts again when a connection was found closed,
   * so the server may see the body twice.
   */
  post(body: string): Promise<HttpAnswer>
  /** Cuts all connections: what is in flight rejects. Idempotent. */
  destroy(): void
}

const CONNECTIONS = 16
/** The other side closed a connection that was kept alive, at the moment at which it was used. */
const STALE_CONNECTION = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']

/** Opens nothing by itself. */
export function createHttpPost({ url, connectTimeoutMs, requestTimeoutMs, maxAnswerBytes }: HttpPostOptions): HttpPost {
  const { origin, pathname, search, username, password } = new URL(url)
  const user = `${decodeUrlPart(username)}:${decodeUrlPart(password)}`
  const headers = {
    'content-type': 'application/json',
    ...(user !== ':' && { authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
  }
  const pool = new Pool(origin, {
    connections: CONNECTIONS,
    connect: { timeout: connectTimeoutMs },
    // Instead of a limit on each part, there is one on the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxAnswerBytes,
  })

  const postOnce = async (body: string, signal: AbortSignal): Promise<HttpAnswer> => {
    const path = `${pathname}${search}`
    const response = await pool.request({ method: 'POST', path, headers, body, signal })
    const retryAfter = response.headers['retry-after']
    return {
      status: response.statusCode,
      retryAfterMs: parseRetryAfter(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter, Date.now()),
      body: await response.body.text(),
    }
  }

  return {
    async post(body) {
      const timeout = new AbortController()
      const timer = setTimeout(() => timeout.abort(), requestTimeoutMs)
      try {
        return await postOnce(body, timeout.signal)
      } catch (error) {
        if (pool.destroyed || !STALE_CONNECTION.includes(codeOf(error))) throw error
        return await postOnce(body, timeout.signal)
      } finally {
        clearTimeout(timer)
      }
    },
    destroy: () => void pool.destroy(),
  }
}

/** Whether a post was given up because it took too long. */
export function isPostTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** Whether a post failed because its answer was too large. */
export function isAnswerTooLarge(error: unknown): boolean {
  return codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
