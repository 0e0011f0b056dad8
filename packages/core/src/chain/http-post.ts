import { Pool } from 'undici'

import { parseRetryAfter } from './retry-after.ts'

export interface HttpPostOptions {
  /** `http://` or `https://`. A user and password in it become a header. */
  readonly url: string
  readonly connectTimeoutMs: number
  /** From the first byte that is sent to the last that is received. */
  readonly requestTimeoutMs: number
  readonly maxAnswerBytes: number
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number
  /** How long the server wants to be left alone, where it said so. */
  readonly retryAfterMs: number | undefined
  /** Parsed; `undefined` for what is not JSON. */
  readonly body: unknown
}

/** Posts JSON to one URL, on connections that are kept alive. */
export interface HttpPost {
  /** Rejects with what happened on the way; whatever the server answers is no failure. */
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
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
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

  const postOnce = async (body: string): Promise<HttpAnswer> => {
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(), requestTimeoutMs)
    try {
      const path = `${pathname}${search}`
      const response = await pool.request({ method: 'POST', path, headers, body, signal: timeout.signal })
      const text = await response.body.text()
      const retryAfter = response.headers['retry-after']
      return {
        status: response.statusCode,
        retryAfterMs: parseRetryAfter(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter, Date.now()),
        body: parseJson(text),
      }
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    async post(body) {
      try {
        return await postOnce(body)
      } catch (error) {
        if (pool.destroyed || !STALE_CONNECTION.includes(codeOf(error))) throw error
        return postOnce(body)
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A page of HTML, say: the status tells more.
    return undefined
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
