import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError, sayBy } from './api/client'
import { router } from './app/pages'
import { SessionGate } from './app/session'
import { firstLanguage, inWords, startLanguage } from './i18n'
import './styles/index.css'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What was refused or wrongly asked stays so; only a lost connection is worth asking again unasked.
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status === 503),
      refetchOnWindowFocus: false,
      staleTime: 30_000,
    },
  },
})

await startLanguage(firstLanguage())
sayBy(inWords)
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <SessionGate>
        <RouterProvider router={router} />
      </SessionGate>
    </QueryClientProvider>
  </StrictMode>,
)
