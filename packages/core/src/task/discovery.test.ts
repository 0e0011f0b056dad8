import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { discoverTasks } from './discovery.ts'

const DEFINE_TASK = fileURLToPath(new URL('define-task.ts', import.meta.url))
const DEFINE_RANGE_TASK = fileURLToPath(new URL('define-range-task.ts', import.meta.url))

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'blockmill-tasks-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Writes files of a tasks package, by their path in it. */
async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, text)
  }
}

/** A module that exports one task under each of these names. */
function moduleOf(...names: string[]): string {
  const exports = names.map(
    (name, index) => `export const task${index} = defineTask({ name: '${name}', run: () => undefined })`,
  )
  return [`import { defineTask } from ${JSON.stringify(DEFINE_TASK)}`, ...exports].join('\n')
}

async function found(...sources: string[]): Promise<{ name: string; file: string }[]> {
  const registry = await discoverTasks(sources.length === 0 ? ['.'] : sources, folder)
  return registry.list().map(({ definition, file }) => ({ name: definition.name, file }))
}

describe('discovery', () => {
  it('finds every task of tasks.ts, block-tasks.ts and tasks/**, at any depth, and nothing elsewhere', async () => {
    await write({
      'src/tasks.ts': moduleOf('a', 'b'),
      'src/subnets/block-tasks.ts': moduleOf('c'),
      'src/tasks/deep/er/snapshot.ts': moduleOf('d'),
      'src/tasks/plain.mjs': moduleOf('e'),
      'src/lib/other.ts': moduleOf('not-a-task-module'),
      'src/tasks/snapshot.test.ts': moduleOf('a-test'),
      'src/tasks/types.d.ts': 'export type T = string',
      'src/tasks/node_modules/x/tasks.mjs': moduleOf('a-dependency'),
      'tasks.ts': moduleOf('outside-of-src'),
    })
    expect(await found()).toEqual([
      { name: 'a', file: 'src/tasks.ts' },
      { name: 'b', file: 'src/tasks.ts' },
      { name: 'c', file: 'src/subnets/block-tasks.ts' },
      { name: 'd', file: 'src/tasks/deep/er/snapshot.ts' },
      { name: 'e', file: 'src/tasks/plain.mjs' },
    ])
  })

  it('finds range tasks in the same modules, and keeps them apart', async () => {
    const range = `import { defineRangeTask } from ${JSON.stringify(DEFINE_RANGE_TASK)}
      export const range = defineRangeTask({ name: 'r', run: () => undefined })`
    await write({ 'src/tasks.ts': `${moduleOf('a')}\n${range}`, 'only/tasks.ts': range })
    expect(await found()).toEqual([{ name: 'a', file: 'src/tasks.ts' }])
    for (const [source, file] of [
      ['.', 'src/tasks.ts'],
      ['./only', 'only/tasks.ts'],
    ] as const) {
      const registry = await discoverTasks([source], folder)
      expect(registry.listRangeTasks().map((one) => [one.definition.name, one.file])).toEqual([['r', file]])
    }
  })

  it('takes exports that are no tasks for what they are', async () => {
    await write({
      'src/tasks.ts': `${moduleOf('a')}\nexport const n = 1\nexport const f = () => 1\nexport const nothing = null`,
    })
    expect(await found()).toHaveLength(1)
  })

  it('searches the folder itself when there is no src, and the build when there is only that', async () => {
    await write({
      'flat/tasks.ts': moduleOf('flat'),
      'built/dist/tasks.js': moduleOf('built'),
      'built/package.json': '{"type":"module"}',
    })
    expect(await found('./flat')).toEqual([{ name: 'flat', file: 'flat/tasks.ts' }])
    expect(await found('./built')).toEqual([{ name: 'built', file: 'built/dist/tasks.js' }])
  })

  it('takes a single module, an absolute path, and several sources together', async () => {
    await write({ 'one.ts': moduleOf('one'), 'more/src/tasks.ts': moduleOf('two') })
    expect(await found('./one.ts', path.join(folder, 'more'))).toEqual([
      { name: 'one', file: 'one.ts' },
      { name: 'two', file: 'more/src/tasks.ts' },
    ])
  })

  it('takes the name of an installed package, also one in a scope that is linked into the workspace', async () => {
    await write({
      'elsewhere/package.json': '{"name":"@acme/tasks","type":"module","exports":"./src/index.ts"}',
      'elsewhere/src/index.ts': 'export {}',
      'elsewhere/src/tasks/a.ts': moduleOf('from-a-package'),
    })
    await mkdir(path.join(folder, 'node_modules/@acme'), { recursive: true })
    await symlink(path.join(folder, 'elsewhere'), path.join(folder, 'node_modules/@acme/tasks'))
    expect(await found('@acme/tasks')).toMatchObject([{ name: 'from-a-package' }])
  })

  it('counts a task that another module exports again once', async () => {
    await write({
      'src/tasks/a.ts': moduleOf('a'),
      'src/tasks/index.ts': "export * from './a.ts'\nexport { task0 as again } from './a.ts'",
    })
    expect(await found()).toHaveLength(1)
    expect(await found('.', './src/tasks/a.ts')).toHaveLength(1)
  })

  it('takes every module of a folder that is itself named tasks', async () => {
    await write({ 'tasks/a.ts': moduleOf('a'), 'tasks/more/b.ts': moduleOf('b') })
    expect((await found('./tasks')).map(({ name }) => name)).toEqual(['a', 'b'])
  })
})

describe('discovery fails', () => {
  it('when two tasks have one name, naming both files', async () => {
    await write({ 'src/tasks/a.ts': moduleOf('same'), 'src/tasks/b.ts': moduleOf('same') })
    await expect(found()).rejects.toMatchObject({
      code: 'TASK_NAME_TAKEN',
      message: expect.stringMatching(/'same'.*src\/tasks\/a\.ts.*src\/tasks\/b\.ts/) as string,
    })
  })

  it('when two tasks of one file have one name', async () => {
    await write({ 'src/tasks.ts': moduleOf('same', 'same') })
    await expect(found()).rejects.toMatchObject({ code: 'TASK_NAME_TAKEN' })
  })

  it.each([
    ['throws', "\n  throw new Error('no database')", /broken\.ts:2:9 .*no database$/],
    ['throws nothing', 'throw undefined', /broken\.ts .*threw undefined, which is not an Error/],
    ['throws what is not an error', "throw 'no database'", /no database/],
    ['imports what is not there', "import 'a-package-that-is-not-installed'", /a-package-that-is-not-installed/],
    ['is not valid code', '\nexport const = 1', /broken\.ts\S* could not be imported/],
    ['is a mistake of its own', 'export const a = nothing', /broken\.ts:1:\d+ .*nothing is not defined/],
    ['breaks a rule', moduleOf('a b'), /name is "a b"/],
  ])('when a module %s, naming the file and the cause', async (_, text, cause) => {
    await write({ 'src/tasks/broken.ts': text })
    const failure = expect(found()).rejects
    await failure.toMatchObject({ code: 'TASK_MODULE_FAILED', message: expect.stringMatching(cause) as string })
    await expect(found()).rejects.toThrow('broken.ts')
  })

  it('when a package has no task, saying where tasks are looked for', async () => {
    await write({ 'src/index.ts': moduleOf('elsewhere'), 'more/src/tasks.ts': moduleOf('a') })
    await expect(found('./more', '.')).rejects.toMatchObject({
      code: 'TASK_MODULE_FAILED',
      message: expect.stringMatching(/^Tasks package '\.' has no task.*tasks\.ts/) as string,
    })
  })

  it.each(['./missing', 'a-package-that-is-not-installed', '/nowhere/at/all'])(
    'when %s is not there, saying where it was looked for',
    async (source) => {
      await expect(found(source)).rejects.toMatchObject({
        code: 'TASK_MODULE_FAILED',
        message: expect.stringContaining(`'${source}' was not found at /`) as string,
      })
    },
  )
})
