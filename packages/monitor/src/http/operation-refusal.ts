import type { FastifyReply } from 'fastify'

import { sendProblem } from './problem.ts'

/** Answers an order for which no operation can be started now. */
export function refuseForWantOfRoom(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, 409, 'As many operations as may run at once are under way. Wait until one has ended.')
}
