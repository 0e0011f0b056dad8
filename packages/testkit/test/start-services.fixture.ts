/** Starts services in the folder given, says what runs, and does with its own process what the second argument says. */
import { startNativeBroker, startNativePostgres } from '@blockmill/testkit'

const [stateFolder = '', ending = ''] = process.argv.slice(2)
const [broker, postgres] = await Promise.all([
  startNativeBroker({ stateFolder }),
  startNativePostgres({ stateFolder, durable: false }),
])
process.stdout.write(`${JSON.stringify([broker.pid, postgres.pid])}\n`, () => {
  if (ending === 'exit') process.exit(0)
})
process.stdin.resume()
