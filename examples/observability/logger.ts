// Where lines go that tell what becomes of a client. Run it with: npm run build && npx tsx examples/observability/logger.ts

// #region logger
import { connect, type Logger } from 'puka-amqp'

const logger: Logger = console // or pino, winston, ...

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost', { logger })
// #endregion

await client.close()
