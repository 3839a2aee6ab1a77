// Sets the remembered theme before the first paint, so that a dark page never flashes white.
try {
  var theme = localStorage.getItem('vigie.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  var lang = localStorage.getItem('vigie.lang')
  if (lang === 'fr' || lang === 'en') document.documentElement.lang = lang
} catch (e) {}
