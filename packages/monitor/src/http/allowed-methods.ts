import type { FastifyInstance } from 'fastify'

/**
 * Learns every route that is added from now on.
 *
 * @returns the methods that a path has; none when nothing is there.
 */
export function allowedMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    methods.set(url, new Set([...(methods.get(url) ?? []), ...[method].flat()]))
  })
  return (path) => {
    const matching = [...methods].filter(([url]) => matches(url, path))
    return [...new Set(matching.flatMap(([, found]) => [...found]))]
  }
}

/** @param url with placeholders, such as `/api/v1/tasks/:id`. */
function matches(url: string, path: string): boolean {
  const [wanted, given] = [url.split('/'), path.split('/')]
  return (
    wanted.length === given.length &&
    wanted.every((part, n) => (part.startsWith(':') ? given[n] !== '' : part === given[n]))
  )
}
