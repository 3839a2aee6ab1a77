/** Small drawings, 16 units square, always beside a word or with a label. */
const PATHS = {
  situation: 'M2 13h12M3.5 13V8.5M7 13V4M10.5 13V9.5M13 13V6',
  cases: 'M2.5 9.5 4.5 3h7l2 6.5v3.5h-11zM2.5 9.5h3l1 1.5h3l1-1.5h3',
  assets: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  explore: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14',
  map: 'M4 5.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM12 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM5 14.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM5.8 4.3l4.4 2M10.5 8.4l-4 3M4.2 5.5l.6 5',
  sensors:
    'M8 9.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4ZM5.2 10.8a4 4 0 0 1 0-5.6M10.8 5.2a4 4 0 0 1 0 5.6M3 13A7 7 0 0 1 3 3M13 3a7 7 0 0 1 0 10',
  settings:
    'M2 4.5h7M12.5 4.5H14M2 11.5h1.5M7 11.5h7M10.7 6.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4ZM5.2 13.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4Z',
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4 6 8l4 4',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 5v3.2l2 1.3',
  dataset: 'M8 6c3 0 5-.9 5-2s-2-2-5-2-5 .9-5 2 2 2 5 2ZM3 4v8c0 1.1 2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2 2 5 2s5-.9 5-2',
  user: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c.6-2.6 2.8-4 5.5-4s4.9 1.4 5.5 4',
  filter: 'M2 3h12L9.5 8.5V13l-3-1.5v-3z',
  exclude: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM3.8 3.8l8.4 8.4',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  count: 'M3 13V9M6.5 13V5M10 13V7.5M13.5 13V3',
  open: 'M9 2.5h4.5V7M13.5 2.5 7.5 8.5M12 9v4.5H2.5V4H7',
  download: 'M8 2.5v8M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11',
  upload: 'M8 11V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11',
  plus: 'M8 3v10M3 8h10',
  check: 'M3 8.5 6.5 12 13 4.5',
  comment: 'M2.5 3h11v8H8l-3 2.8V11H2.5z',
  refresh: 'M13.5 8A5.5 5.5 0 1 1 11.8 4M13.5 2v3.2h-3.2',
  menu: 'M2 4h12M2 8h12M2 12h12',
  table: 'M2.5 3h11v10h-11zM2.5 6.5h11M6.5 6.5V13',
  star: 'M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4 4.3 13.5l.8-4.2L2 6.4l4.2-.5z',
  link: 'M6.5 9.5l3-3M7.5 4.5l1.3-1.3a2.6 2.6 0 0 1 3.9 3.9L11.2 8.5M8.5 11.5l-1.3 1.3a2.6 2.6 0 0 1-3.9-3.9L4.8 7.5',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  warning: 'M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.2',
  keyboard: 'M1.5 4h13v8h-13zM4 6.5h.1M6.6 6.5h.1M9.2 6.5h.1M11.8 6.5h.1M5 9.5h6',
  // Classes of devices.
  workstation: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  laptop: 'M3.5 3.5h9v7h-9zM1.5 12.8h13',
  server: 'M3 2.5h10v4.6H3zM3 8.9h10v4.6H3zM5.2 4.8h.1M5.2 11.2h.1',
  phone: 'M5 1.8h6v12.4H5zM7.4 12.2h1.2',
  network: 'M2 9.5h12v4H2zM4.5 11.5h.1M7 11.5h.1M8 9.5V6M5 4.6a4.2 4.2 0 0 1 6 0M6.5 6.2a2.1 2.1 0 0 1 3 0',
  printer: 'M4.5 6V2.5h7V6M4.5 11.5h-2V6h11v5.5h-2M4.5 9.5h7v4h-7z',
  camera: 'M2 4.5h8.5v7H2zM10.5 7 14 5v6l-3.5-2',
  voip: 'M3 2.5h3l1 3.2-1.6 1.2a7 7 0 0 0 3.7 3.7l1.2-1.6 3.2 1v3c-6 1-11.5-4.5-10.5-10.5Z',
  iot: 'M8 9.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM8 6.5V2M8 9.5V14M6.5 8H2M9.5 8H14',
  industrial: 'M2 13.5V6l4 2.5V6l4 2.5V3h4v10.5z',
  medical: 'M6 2.5h4V6h3.5v4H10v3.5H6V10H2.5V6H6z',
  unknown: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6.3 6.3a1.8 1.8 0 1 1 2.5 1.7c-.6.3-.8.7-.8 1.3M8 11.4v.2',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, label }: { name: IconName; label?: string }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

const CLASS_ICONS: Record<string, IconName> = {
  workstation: 'workstation',
  laptop: 'laptop',
  server: 'server',
  phone: 'voip',
  mobile: 'phone',
  tablet: 'phone',
  network: 'network',
  printer: 'printer',
  camera: 'camera',
  voip: 'voip',
  iot: 'iot',
  industrial: 'industrial',
  biomedical: 'medical',
  virtual: 'server',
}
export const classIcon = (name: string | null): IconName => CLASS_ICONS[name ?? ''] ?? 'unknown'
