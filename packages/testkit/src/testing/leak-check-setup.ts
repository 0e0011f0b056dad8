/** A vitest set-up file (`setupFiles`) that fails every test file which leaves something open. */
import { failOnLeaks } from './leak-check.ts'

failOnLeaks()
