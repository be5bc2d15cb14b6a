// Metrics for Prometheus. Run it with: npm run build && npx tsx examples/observability/prometheus.ts

// #region prometheus
import { createServer } from 'node:http'
import { register } from 'prom-client'
import { connect } from 'puka-amqp'
import { collectMetrics } from 'puka-amqp/prometheus'

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
collectMetrics(client, { name: 'orders' })

const server = createServer(async (_, response) => {
  response.setHeader('Content-Type', register.contentType)
  response.end(await register.metrics())
})
server.listen(9464)
// #endregion

const answer = await fetch('http://localhost:9464/metrics')
console.log((await answer.text()).split('\n').find(line => line.startsWith('puka_amqp_open')))
server.close()
await client.close()
