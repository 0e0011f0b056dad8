import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { offlineApp } from '../../test/offline-app.ts'

const page = readFileSync(new URL('../../../../docs/rest-api.md', import.meta.url), 'utf8')
const documented = [...page.matchAll(/^\| `([A-Z]+ \/api\/[^`]*)` +\|/gm)].map(([, route = '']) => route)

test('docs/rest-api.md has every route of the API, once, and no other', async () => {
  const app = await offlineApp()
  const { paths = {} } = app.swagger()
  const served = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const routes = served.filter((route) => route.includes(' /api/') && !route.startsWith('HEAD '))
  expect(documented.toSorted(inOrder)).toEqual(routes.toSorted(inOrder))
})

function inOrder(a: string, b: string): number {
  return a.localeCompare(b)
}
