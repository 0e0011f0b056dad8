// `npm run test:compose`: tries docker-compose.yml for real, and prints what it found. It needs a Docker engine with the compose
// plugin, and says so where there is none. `-- image`, `-- load`, `-- observability` or `-- idle` tries a part of it.
import process from 'node:process'

import { idleChecks, imageChecks, loadChecks } from './checks.mjs'
import { createProject, docker } from './project.mjs'
import { hasImage, prometheusChecks } from './prometheus-checks.mjs'
import { createRecord } from './record.mjs'

const FILES = ['docker-compose.yml', 'scripts/compose/docker-compose.test.yml']
const IMAGE = 'blockmill'
const NAME = 'blockmill-test'

class GivenUp extends Error {}

const PARTS = ['image', 'load', 'observability', 'idle']
const wanted = process.argv.length > 2 ? process.argv.slice(2) : PARTS
const unknown = wanted.find((part) => !PARTS.includes(part))
if (unknown !== undefined) {
  process.stderr.write(`There is no part '${unknown}' of this test. There are ${PARTS.join(', ')}.\n`)
  process.exit(2)
}

const problem = await missingEngine()
if (problem !== undefined) {
  process.stdout.write(`\nSKIPPED: docker-compose.yml was not tried, and nothing is known of it.\n${problem}\n`)
} else {
  process.exitCode = await tryEverything()
}

async function missingEngine() {
  try {
    await docker(['info', '--format', '{{.ServerVersion}}'])
    await docker(['compose', 'version'])
    return undefined
  } catch (error) {
    return error.message
  }
}

async function tryEverything() {
  const load = await createProject({
    name: NAME,
    files: FILES,
    settings: { BLOCKMILL_START: '1', BLOCKMILL_DEV_CHAIN_BLOCK_TIME: '1s' },
  })
  const idle = await createProject({ name: NAME, files: FILES, settings: { BLOCKMILL_DEV_CHAIN_BLOCK_TIME: '1h' } })
  const counts = { passed: 0, failed: 0 }
  const say = (line) => process.stdout.write(`${line}\n`)
  try {
    // Of a run that was killed.
    await load.remove()
    say('Building the image …')
    await load.compose('build', '--quiet')
    if (wanted.includes('image')) await runChecks(imageChecks({ image: IMAGE }), { counts, say })
    if (wanted.includes('load')) {
      await runChecks(loadChecks({ project: load, record: createRecord(load) }), { counts, say, project: load })
      await load.remove()
    }
    if (wanted.includes('observability')) {
      if (await hasImage(load, 'prometheus')) {
        await runChecks(prometheusChecks({ project: load, record: createRecord(load) }), { counts, say, project: load })
        await load.remove()
      } else say('SKIPPED: Prometheus was not tried, because its image cannot be had.')
    }
    if (wanted.includes('idle')) await runChecks(idleChecks({ project: idle }), { counts, say, project: idle })
  } catch (error) {
    // Anything else is no failure of a check but one of the test, or of the engine.
    if (!(error instanceof GivenUp)) counts.failed += 1
    say(error.message)
  } finally {
    await load.remove()
  }
  say(`\n${counts.passed} passed, ${counts.failed} failed`)
  return counts.failed === 0 ? 0 : 1
}

/** One after the other: each begins with what the one before has left. After the first that fails, the rest would tell nothing. */
async function runChecks(checks, { counts, say, project }) {
  for (const { title, run } of checks) {
    const started = performance.now()
    const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
    try {
      say(`✓ ${title}: ${await run()} (${seconds()})`)
      counts.passed += 1
    } catch (error) {
      counts.failed += 1
      say(`✗ ${title} (${seconds()})\n  ${error.message}`)
      if (project !== undefined) say(await lastLogs(project))
      throw new GivenUp(`Nothing after "${title}" was tried.`, { cause: error })
    }
  }
}

async function lastLogs(project) {
  try {
    return await project.compose('logs', '--no-color', '--tail', '5')
  } catch (error) {
    return error.message
  }
}
