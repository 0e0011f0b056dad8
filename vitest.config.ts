import path from 'node:path'

import { configDefaults, defineConfig } from 'vitest/config'

// One broker and one database server for all files of a project; each file works in its own namespace and database.
const sharedServices = {
  globalSetup: ['packages/testkit/src/testing/global-setup.ts'],
  setupFiles: ['packages/testkit/src/testing/leak-check-setup.ts'],
  // Tests start many processes, and half of what each costs is compiling the same modules.
  env: { NODE_COMPILE_CACHE: path.resolve('.blockmill/compile-cache') },
  // As long as waitFor waits: what a test polls for comes within milliseconds, unless the machine is busy.
  expect: { poll: { timeout: 30_000 } },
}

// They measure delays or rates, or fill the machine by themselves. The others mostly wait: two files run at a time.
const ALONE = [
  'packages/cli/test/backfill-system.integration.test.ts',
  'packages/cli/test/demo.integration.test.ts',
  'packages/cli/test/enqueue.integration.test.ts',
  'packages/core/test/chain-rate-limits.integration.test.ts',
  'packages/scheduler/test/backfill.integration.test.ts',
  'packages/scheduler/test/coverage-store.integration.test.ts',
  'packages/worker/test/rate-limit.integration.test.ts',
  'packages/worker/test/worker.integration.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'scripts/**/*.test.mjs'],
          // Files share one module graph: importing it anew for each costs four times what the tests do.
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['packages/*/test/**/*.integration.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          ...sharedServices,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'integration-alone',
          include: ALONE,
          ...sharedServices,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          ...sharedServices,
          testTimeout: 600_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
