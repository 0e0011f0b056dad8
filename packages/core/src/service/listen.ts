import type { FastifyInstance } from 'fastify'

import { ConfigurationError } from '../errors/blockmill-error.ts'

/** What a person must do about an address that cannot be listened on. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another process listens there. Set PORT (--port) to another one, or to 0 for any free one.',
  EADDRNOTAVAIL: 'This machine has no such address. Set HOST (--host) to one of its own.',
  ENOTFOUND: 'HOST (--host) is not a name that this machine knows.',
  EACCES: 'Ports below 1024 need special rights. Set PORT (--port) to a higher one.',
}

/**
 * Starts to listen.
 *
 * @returns the address, with the port that was chosen where 0 was asked for.
 * @throws ConfigurationError `CONFIG_INVALID` when host or port cannot be listened on, with what to do.
 */
export async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const advice = ADVICE[code]
    if (advice === undefined) throw error
    throw new ConfigurationError('CONFIG_INVALID', `${host}:${port} cannot be listened on (${code}). ${advice}`, {
      cause: error,
    })
  }
}
