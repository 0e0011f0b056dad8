import { describe, expect, expectTypeOf, it } from 'vitest'

import { offlineApp } from '../../test/offline-app.ts'
import { ApiProblem, type ApiRoute, createApiClient } from './api-client.ts'
import { API_ROUTES } from './api-contract.ts'

const STREAMS = ['GET /events', 'GET /jobs/:id/results']

interface Served {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: unknown }>> }>>
}

/** Names of properties: the description words some rules in its own way. */
function namesOf(schema: unknown): string[] {
  const { properties = {} } = (schema ?? {}) as { readonly properties?: object }
  return Object.keys(properties).toSorted()
}

async function servedRoutes(): Promise<Map<string, Served>> {
  const app = await offlineApp()
  const routes = new Map<string, Served>()
  for (const [path, methods] of Object.entries(app.swagger().paths ?? {})) {
    if (!path.startsWith('/api/v1')) continue
    for (const [method, served] of Object.entries(methods ?? {})) {
      const name = path.slice('/api/v1'.length).replaceAll(/\{(\w+)\}/g, ':$1')
      if (method !== 'head') routes.set(`${method.toUpperCase()} ${name}`, served as Served)
    }
  }
  return routes
}

describe('the routes that the client knows', () => {
  it('are those that are served, but for streams, with parameters, bodies and answers of the same names', async () => {
    const served = await servedRoutes()
    expect(Object.keys(API_ROUTES).toSorted()).toEqual(
      [...served.keys()].filter((route) => !STREAMS.includes(route)).toSorted(),
    )
    for (const [route, known] of Object.entries(API_ROUTES)) {
      const { parameters = [], requestBody, responses } = served.get(route) as Served
      const query = parameters.filter((one) => one.in === 'query').map(({ name }) => name)
      expect('query' in known ? Object.keys(known.query.properties) : [], route).toEqual(query)
      const body = requestBody?.content['application/json']?.schema
      expect(namesOf('body' in known ? known.body : undefined), route).toEqual(namesOf(body))
      const answers = Object.entries(responses)
        .filter(([status]) => status.startsWith('2'))
        .map(([, { content }]) => namesOf(content?.['application/json']?.schema))
      const expected = 'anyOf' in known.answer ? known.answer.anyOf : [known.answer]
      for (const one of expected) expect(answers, route).toContainEqual(namesOf(one))
    }
  })
})

describe('the client', () => {
  const answering = (status: number, body: string) => {
    const requests: Request[] = []
    const fetch: typeof globalThis.fetch = async (input, init) => {
      requests.push(new Request(input, init))
      return new Response(status === 204 ? null : body, { status })
    }
    return { requests, client: createApiClient({ url: 'http://monitor:8080', token: 'secret', fetch }) }
  }

  it('fills in the path, repeats what may be repeated, and sends token and body', async () => {
    const { client, requests } = answering(200, '{"tasks":[]}')
    expect(await client.call('GET /tasks', { query: { status: ['failed', 'dead'], limit: 5 } })).toEqual({ tasks: [] })
    await client.call('POST /queues/:name/move', { params: { name: 'a/../b' }, body: { to: 'c' } })
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET http://monitor:8080/api/v1/tasks?status=failed&status=dead&limit=5',
      'POST http://monitor:8080/api/v1/queues/a%2F..%2Fb/move',
    ])
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer secret', 'Bearer secret'])
    expect(await requests[1]?.json()).toEqual({ to: 'c' })
  })

  it('answers null where there is nothing to answer', async () => {
    const { client } = answering(204, '')
    expect(await client.call('DELETE /tasks/:id', { params: { id: 'x' } })).toBeNull()
  })

  it('throws the problem that the monitor tells, and one of its own for what a proxy says', async () => {
    const told = answering(400, '{"detail":"no","errors":[{"field":"to","message":"is missing"}]}').client
    const problem = told.call('GET /queues', {})
    await expect(problem).rejects.toThrow(ApiProblem)
    await expect(problem).rejects.toMatchObject({ status: 400, message: 'no', errors: [{ field: 'to' }] })
    const proxy = answering(502, '<html>').client.call('GET /queues', {})
    await expect(proxy).rejects.toMatchObject({ status: 502, message: expect.stringContaining('502') })
  })

  it('knows what each route takes and answers', () => {
    const client = createApiClient({ url: 'http://monitor' })
    const call = () => client.call('GET /tasks/:id', { params: { id: 'x' } })
    expectTypeOf(call).returns.resolves.toHaveProperty('attempts')
    expectTypeOf<ApiRoute>().extract<'GET /nowhere'>().toBeNever()
    // @ts-expect-error -- the path needs an id
    expectTypeOf(() => client.call('GET /tasks/:id', {})).toBeFunction()
    // @ts-expect-error -- there is no such state
    expectTypeOf(() => client.call('GET /tasks', { query: { status: ['lost'] } })).toBeFunction()
  })
})
