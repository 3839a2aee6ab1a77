import { useTranslation } from 'react-i18next'
import { PageHead } from '../../app/page'
import { useSession } from '../../app/session'
import { useUrl } from '../../lib/url'
import { Audit, People, Tokens } from './people'
import { Datasets } from './datasets'
import { Exclusions } from './exclusions'
import { Networks } from './networks'
import { Outputs } from './outputs'
import { Retention } from './retention'

/** Parts in their order; those of administrators are refused to others by the server, and said so here. */
const SECTIONS = {
  datasets: { view: Datasets, administrator: false },
  exclusions: { view: Exclusions, administrator: false },
  networks: { view: Networks, administrator: false },
  retention: { view: Retention, administrator: false },
  outputs: { view: Outputs, administrator: false },
  people: { view: People, administrator: true },
  tokens: { view: Tokens, administrator: true },
  audit: { view: Audit, administrator: true },
} as const
type Section = keyof typeof SECTIONS

export function SettingsPage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { isAdministrator } = useSession()
  const names = Object.keys(SECTIONS) as Section[]
  const section = names.find((one) => one === search.section) ?? 'datasets'
  const View = SECTIONS[section].view
  return (
    <div className="page">
      <PageHead
        title={t('nav.settings')}
        sentence={t(`settings.${section}_text`)}
        ignoresRange={section === 'audit' ? undefined : t('settings.ignores_range')}
      />
      <div className="settings">
        <nav className="settings-nav" aria-label={t('nav.settings')}>
          {names.map((one) => (
            <button
              key={one}
              // On a phone the parts lie in a line that scrolls: the one that is open is in sight.
              ref={(node) => void (one === section && node?.scrollIntoView({ block: 'nearest', inline: 'nearest' }))}
              aria-current={one === section ? 'page' : undefined}
              onClick={() => set({ section: one })}
            >
              {t(`settings.${one}`)}
              {SECTIONS[one].administrator && !isAdministrator && (
                <span className="quiet"> · {t('account_role.administrator').toLowerCase()}</span>
              )}
            </button>
          ))}
        </nav>
        <div className="settings-body">
          <View />
        </div>
      </div>
    </div>
  )
}
