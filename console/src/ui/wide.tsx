import { useEffect, useRef, useState, type ReactNode } from 'react'

/** What may be wider than its place: it scrolls sideways, by the keyboard too, and takes no stop of Tab where all fits. */
export function Wide({ children, label }: { children: ReactNode; label?: string }) {
  const frame = useRef<HTMLDivElement>(null)
  const [over, setOver] = useState(false)
  useEffect(() => {
    const node = frame.current!
    const observer = new ResizeObserver(() => setOver(node.scrollWidth > node.clientWidth))
    observer.observe(node)
    if (node.firstElementChild) observer.observe(node.firstElementChild)
    return () => observer.disconnect()
  }, [])
  return (
    <div className="scroll-x" ref={frame} tabIndex={over ? 0 : undefined} role={label ? 'region' : undefined} aria-label={label}>
      {children}
    </div>
  )
}
