import type { FastifyReply, FastifyRequest } from 'fastify'

import { isWrite } from './authentication.ts'
import { sendProblem } from './problem.ts'

/**
 * Refuses what a page of another origin makes a browser change. A browser sends the password that it was told with every request,
 * whoever caused it; where it comes from it says in `Origin` and `Sec-Fetch-Site`. Programs that are no browsers send neither. What a
 * form can send is refused too, so that a browser that says nothing changes nothing.
 */
export async function refuseForeignOrigin(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> {
  if (!isWrite(request)) return
  const { origin, host } = request.headers
  const site = request.headers['sec-fetch-site']
  if (origin !== undefined && !isOwn(origin, host)) {
    return sendProblem(reply, 403, `Pages of ${origin} may not change anything here.`)
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return sendProblem(reply, 403, 'Pages of another origin may not change anything here.')
  }
  if (!isJson(request)) return sendProblem(reply, 415, 'Send JSON, with content-type: application/json.')
}

function isOwn(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin)) return false
  const from = new URL(origin)
  // The same protocol makes its default port look the same.
  const own = `${from.protocol}//${host}`
  return URL.canParse(own) && new URL(own).host === from.host
}

function isJson({ headers }: FastifyRequest): boolean {
  const type = headers['content-type']
  if (type !== undefined) return type.split(';')[0]?.trim().toLowerCase() === 'application/json'
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
}
