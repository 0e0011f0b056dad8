import type { FastifyInstance } from 'fastify'

import { isLocalRequest } from './loopback.ts'
import { sendProblem } from './problem.ts'

/** On every answer, also on those that are made before there is a request. */
export const SECURITY_HEADERS = {
  // Everything from here, nothing inline: text from tasks can never become code.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/**
 * Sets security headers on every answer, and refuses requests that were made under a foreign name.
 *
 * @param isLocalOnly true when everybody who reaches the monitor is let in: then only this machine's own names count, because a
 * page from elsewhere may make its name point here.
 */
export function addSecurityHeaders(app: FastifyInstance, { isLocalOnly }: { readonly isLocalOnly: boolean }): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    if (!isLocalOnly || isLocalRequest(request.headers.host)) return
    return sendProblem(reply, 421, 'Host must be the name or address of this machine, such as 127.0.0.1 or localhost.')
  })
}
