import { readFile } from 'node:fs/promises'

import type { FastifyPluginAsync } from 'fastify'

/** The files of the status page. A fixed list: no path from outside ever reaches the file system. */
const FILES = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/app.js': { file: 'app.js', type: 'text/javascript; charset=utf-8' },
  '/style.css': { file: 'style.css', type: 'text/css; charset=utf-8' },
} as const

/** Serves the status page. */
export const pageRoutes: FastifyPluginAsync = async (app) => {
  for (const [url, { file, type }] of Object.entries(FILES)) {
    // The folder is beside both `src` and `dist`.
    const content = await readFile(new URL(`../../assets/${file}`, import.meta.url))
    app.get(url, { schema: { hide: true } }, (_request, reply) => reply.type(type).send(content))
  }
}
