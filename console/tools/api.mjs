// Draws src/api/openapi.ts, the types of the API, from the server's own document. Made anew by each check and build, so that it is never stale.
import { readFileSync, writeFileSync } from 'node:fs'
import openapi, { astToString } from 'openapi-typescript'

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
// The console names an operation by its method and address alone; without ids, each stands where it is used.
for (const path of Object.values(document.paths)) for (const operation of Object.values(path)) delete operation.operationId
writeFileSync(
  new URL('../src/api/openapi.ts', import.meta.url),
  astToString(await openapi(document, { silent: true, emptyObjectsUnknown: true })),
)
