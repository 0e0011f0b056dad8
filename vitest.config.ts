import path from 'node:path'

import { defineConfig } from 'vitest/config'

// One broker and one database server for all files of a project; each file works in its own namespace and database.
const sharedServices = {
  globalSetup: ['packages/testkit/src/testing/global-setup.ts'],
  setupFiles: ['packages/testkit/src/testing/leak-check-setup.ts'],
  // Tests start many processes, and half of what each costs is compiling the same modules.
  env: { NODE_COMPILE_CACHE: path.resolve('.blockmill/compile-cache') },
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'scripts/**/*.test.mjs'],
          // Files share one module graph: importing it anew for each costs four times what the tests do.
          isolate: false,
          testTimeout: 5_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['packages/*/test/**/*.integration.test.ts'],
          ...sharedServices,
          testTimeout: 60_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          ...sharedServices,
          testTimeout: 300_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
