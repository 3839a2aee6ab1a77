import { Popover, PopoverDisclosure, PopoverProvider, usePopoverStore } from '@ariakit/react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { request, type Sent } from '../api/client'
import { useRead } from '../api/queries'
import { useScope } from '../app/scope'
import { useSession } from '../app/session'
import { frozen } from '../lib/range'
import { parseSearch, stringifySearch, useUrl } from '../lib/url'
import { say } from './bits'
import { Icon } from './icons'

/** The link of what one sees. A range that ends now would show another time tomorrow: the link says when from and when to. */
export function CopyLink() {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { range } = useScope()
  const copy = () => {
    const link = location.origin + location.pathname + stringifySearch(frozen(search, range))
    void navigator.clipboard.writeText(link).then(
      () => say(t('views.link_copied')),
      () => say(t('value.not_copied'), true),
    )
  }
  return (
    <button className="button copy-link" onClick={copy}>
      <Icon name="link" />
      {t('views.copy_link')}
    </button>
  )
}

/** Filters under a name: saved for oneself or for all. */
export function Views({ page }: { page: string }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { session } = useSession()
  const navigate = useNavigate()
  const client = useQueryClient()
  const store = usePopoverStore({ placement: 'bottom-end' })
  const views = useRead('/views', {})
  const again = () => void client.invalidateQueries({ queryKey: ['/views'] })
  const failed = (error: Error) => say(error.message || t('state.failed'), true)
  const save = useMutation({
    mutationFn: (json: Sent<'post', '/views'>) => request('post', '/views', { json }),
    onSuccess: again,
    onError: failed,
  })
  const remove = useMutation({
    mutationFn: (id: number) => request('delete', '/views/{id}', { names: { id } }),
    onSuccess: again,
    onError: failed,
  })
  const mine = views.data?.filter((view) => view.page === page) ?? []
  return (
    <>
      <PopoverProvider store={store}>
        <PopoverDisclosure className="button">
          <Icon name="star" />
          {t('views.title')}
          <Icon name="down" />
        </PopoverDisclosure>
        <Popover className="popover" gutter={6} portal unmountOnHide aria-label={t('views.title')}>
          {mine.length === 0 && <p className="popover-text quiet">{t('views.none')}</p>}
          {mine.map((view) => (
            <div key={view.id} className="view">
              <button
                className="menu-item"
                onClick={() => {
                  void navigate({ to: '.', search: parseSearch(view.query) as never })
                  store.hide()
                }}
              >
                {view.name}
                {view.shared && <span className="menu-figure">{t('views.shared')}</span>}
              </button>
              {view.owner === session.user.name && (
                <button className="button-icon" onClick={() => remove.mutate(view.id)} aria-label={t('views.remove', { name: view.name })}>
                  <Icon name="close" />
                </button>
              )}
            </div>
          ))}
          <form
            className="range-form"
            onSubmit={(event) => {
              event.preventDefault()
              const form = event.currentTarget
              const data = new FormData(form)
              save.mutate({
                name: String(data.get('name')).trim(),
                page,
                query: stringifySearch({ ...search, open: null }).slice(1),
                shared: data.has('shared'),
              })
              form.reset()
            }}
          >
            <label>
              {t('views.name')}
              <input name="name" required maxLength={80} />
            </label>
            <label className="check">
              <input type="checkbox" name="shared" />
              {t('views.share')}
            </label>
            <button className="button button-main">{t('views.save')}</button>
          </form>
        </Popover>
      </PopoverProvider>
    </>
  )
}
