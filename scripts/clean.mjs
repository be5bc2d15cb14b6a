/** Owns removing the named build folders: a script of its own because `rm -rf` is not on every platform. */
import { rmSync } from 'node:fs'

for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true })
