import type { FastifyInstance } from 'fastify'

import { jsonProblem } from './json-problem.ts'
import { sendProblem } from './problem.ts'

const MAX_URL_LENGTH = 8_192
const MAX_PARAMETERS = 100

/** Refuses what no request here needs, and what the database could not store, before anything is done with it. */
export function addRequestLimits(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw: { url = '' } }, reply) => {
    if (url.length > MAX_URL_LENGTH) {
      return sendProblem(reply, 414, `The address has ${url.length} characters; at most ${MAX_URL_LENGTH} are read.`)
    }
    const parameters = url.includes('?') ? url.slice(url.indexOf('?')).split('&').length : 0
    if (parameters > MAX_PARAMETERS) {
      return sendProblem(reply, 400, `The address has ${parameters} parameters; at most ${MAX_PARAMETERS} are read.`)
    }
    if (url.includes('%00')) return sendProblem(reply, 400, 'The address has a NUL character (%00), which nothing has.')
  })
  app.addHook('preValidation', async ({ body }, reply) => {
    const problem = jsonProblem(body)
    if (problem !== undefined) return sendProblem(reply, 400, `The body cannot be used: ${problem}.`)
  })
}
