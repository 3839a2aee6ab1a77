import type { IconName } from '../ui/icons'

/** The pages in the order of the navigation; the letter follows `g`. */
export const PAGES = [
  { path: '/', name: 'situation', icon: 'situation', letter: 's' },
  { path: '/cases', name: 'cases', icon: 'cases', letter: 'c' },
  { path: '/assets', name: 'assets', icon: 'assets', letter: 'a' },
  { path: '/explore', name: 'explore', icon: 'explore', letter: 'e' },
  { path: '/map', name: 'map', icon: 'map', letter: 'm' },
  { path: '/sensors', name: 'sensors', icon: 'sensors', letter: 'p' },
  { path: '/settings', name: 'settings', icon: 'settings', letter: 'r' },
] as const satisfies readonly { path: string; name: string; icon: IconName; letter: string }[]

/** States of a case that somebody still has to deal with. */
export const OPEN_STATES = 'new,acknowledged,in_progress'
