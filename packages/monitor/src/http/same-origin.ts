import type { FastifyReply, FastifyRequest } from 'fastify'

import { sendProblem } from './problem.ts'

/** Refuses what a page of another origin asks a browser to change. Programs that are no browsers send no origin. */
export async function refuseForeignOrigin(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> {
  const { origin, host } = request.headers
  if (request.method === 'GET' || origin === undefined) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  return sendProblem(reply, 403, `Pages of ${origin} may not change anything here.`)
}
