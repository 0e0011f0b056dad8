// Asks the service of this container whether it is ready, and ends with status 0 or 1. It loads nothing but node:http, because it
// runs every few seconds for as long as the container does.
import { get } from 'node:http'
import process from 'node:process'

/** For the development chain: its server wants WebSockets, and says so to whoever asks otherwise. */
const UPGRADE_REQUIRED = 426

const [url = `http://127.0.0.1:${process.env.PORT ?? 8080}/health/ready`] = process.argv.slice(2)

get(url, { timeout: 4_000 }, (response) => {
  let answer = ''
  response.setEncoding('utf8').on('data', (chunk) => (answer += chunk))
  response.on('end', () => {
    // Docker keeps it, and shows it with `docker inspect`.
    process.stdout.write(answer)
    process.exitCode = response.statusCode === 200 || response.statusCode === UPGRADE_REQUIRED ? 0 : 1
  })
})
  .on('timeout', function () {
    this.destroy(new Error(`${url} did not answer within 4 s`))
  })
  .on('error', (error) => {
    process.stdout.write(error.message)
    process.exitCode = 1
  })
