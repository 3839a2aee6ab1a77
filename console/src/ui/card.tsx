import type { ReactNode } from 'react'

/** A part of a page under its own heading; `head` stands beside the heading. */
export function Card({ title, head, className, children }: { title: string; head?: ReactNode; className?: string; children: ReactNode }) {
  return (
    <section className={className ? `card ${className}` : 'card'}>
      <header className="card-head">
        <h2>{title}</h2>
        {head}
      </header>
      {children}
    </section>
  )
}
