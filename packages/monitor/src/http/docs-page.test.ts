import { expect, test } from 'vitest'

import { offlineApp } from '../../test/offline-app.ts'
import { docsPage } from './docs-page.ts'

test('/docs shows every route with its parameters, without a script and without anything from elsewhere', async () => {
  const app = await offlineApp()
  const page = await app.inject({ url: '/docs', headers: { host: '127.0.0.1:8080' } })
  expect(page.statusCode).toBe(200)
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
  for (const [path, methods] of Object.entries(app.swagger().paths ?? {})) {
    for (const method of Object.keys(methods ?? {})) {
      if (method !== 'head') expect(page.body).toContain(`<code>${method.toUpperCase()} ${path}</code>`)
    }
  }
  expect(page.body).toContain('<code>blockFrom (query)</code>')
  expect(page.body).toContain('<code>lanes[].lane</code> *')
  expect(page.body).not.toMatch(/<script|style=|<style| on\w+=|https?:/i)
})

test('text of the description is shown as text', () => {
  const hostile = '<img src=x onerror="alert(1)">&'
  const page = docsPage({
    paths: {
      [`/api/v1/${hostile}`]: {
        get: {
          summary: hostile,
          parameters: [
            { name: hostile, in: 'query', description: hostile, schema: { enum: [hostile], pattern: hostile } },
          ],
          responses: { 200: { content: { json: { schema: { properties: { [hostile]: { type: hostile } } } } } } },
        },
      },
    },
  })
  expect(page).not.toContain('<img')
  expect(page).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;')
})

test('objects in lists, lists of values and what may be null are told by their names', () => {
  const range = {
    anyOf: [{ properties: { from: { type: 'integer', minimum: 0 } }, required: ['from'] }, { type: 'null' }],
  }
  const schema = { properties: { range, many: { items: { enum: ['a', 'b'] } }, kind: { const: 'x' } } }
  const page = docsPage({ paths: { '/api/v1/a': { post: { requestBody: { content: { json: { schema } } } } } } })
  expect(page).toContain('<code>range.from</code> *</td><td>integer, minimum 0</td>')
  expect(page).toContain('<td>list of &quot;a&quot; | &quot;b&quot;</td>')
  expect(page).toContain('<td>&quot;x&quot;</td>')
})
