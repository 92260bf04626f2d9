/* The page's side of live fragments. A fragment carries data-live, data-etag and its own hx-trigger;
   to stop, the server returns it without hx-trigger. */
(() => {
  const $ = (selector) => document.querySelector(selector);
  const state = { paused: false, fails: 0, until: 0, ok: Date.now() };
  const TYPING = 'input:not([type=checkbox]):not([type=radio]), textarea, select';
  const isPoll = ({ elt, requestConfig }) =>
    elt.hasAttribute('data-live') && !requestConfig?.triggeringEvent;

  /* Conditional polling. We set the header ourselves: Cache-Control: no-store switches the browser's off. */
  document.addEventListener('htmx:configRequest', ({ detail }) => {
    const tag = detail.elt.dataset.etag;
    if (tag && detail.verb === 'get') detail.headers['If-None-Match'] = tag;
  });

  /* Polls stand still while paused, hidden, offline, backing off, while a
     dialog asks something, or while someone types inside the target. */
  document.addEventListener('htmx:beforeRequest', (event) => {
    if (!isPoll(event.detail)) return;
    const active = document.activeElement;
    const typing = event.detail.target.contains(active) && active.matches(TYPING);
    const still = state.paused || document.hidden || !navigator.onLine || Date.now() < state.until
      || document.querySelector('dialog[open]'); // a swap would take away the form it asks about
    if (still || typing) event.preventDefault();
  });
  document.addEventListener('htmx:afterRequest', ({ detail }) => {
    if (!detail.elt.hasAttribute('data-live')) return;
    const { status } = detail.xhr;
    if ((status >= 200 && status < 300) || status === 304) {
      Object.assign(state, { fails: 0, until: 0, ok: Date.now() });
    } else {
      state.fails += 1;
      state.until = Date.now() + Math.min(60000, 2000 * 2 ** state.fails);
    }
    chip();
  });

  /* The chip tells how fresh the page is; it is there only while something on the page is live. */
  const clock = (time) => new Date(time).toLocaleTimeString('en-US');
  function words(mode) {
    if (mode === 'paused') return `Paused at ${clock(state.ok)}`;
    if (mode === 'on') return `Updated ${clock(state.ok)}`;
    const minutes = Math.floor((Date.now() - state.ok) / 60000);
    return minutes ? `Not updated for ${minutes} min` : 'Not updated';
  }
  function chip() {
    const place = $('#live-chip'), toggle = $('[data-live-toggle]');
    if (!place || !toggle) return;
    const mode = state.paused ? 'paused' : state.fails >= 3 ? 'stale' : 'on';
    place.hidden = toggle.hidden = !$('[data-live][hx-trigger]');
    place.dataset.state = mode;
    place.querySelector('[data-live-text]').textContent = words(mode);
  }
  document.addEventListener('click', (event) => {
    const toggle = event.target.closest('[data-live-toggle]');
    if (!toggle) return;
    state.paused = !state.paused;
    toggle.setAttribute('aria-pressed', String(state.paused));
    window.dash.say(state.paused ? 'Live updates paused' : 'Live updates on');
    chip();
  });
  document.addEventListener('htmx:afterSettle', chip);
  setInterval(() => { if (state.fails >= 3) chip(); }, 30000);

  /* What the server asks for by HX-Trigger-After-Settle: {"focus-on": "#id", "announce": "text", "toast": "text"} */
  const toFocus = (element) => {
    if (!element) return;
    if (!element.matches('a, button, input, select, textarea, [tabindex]')) element.tabIndex = -1;
    element.focus({ preventScroll: element.matches('[data-live]') });
  };
  document.addEventListener('focus-on', ({ detail }) => toFocus($(detail.value)));
  document.addEventListener('announce', ({ detail }) => window.dash.say(detail.value));
  document.addEventListener('toast', ({ detail }) => window.dash.toast(detail.text || detail.value, detail.tone));

  /* If a swap took the focused element away, go to its successor or to the region, never to <body>. */
  let had = null;
  document.addEventListener('htmx:beforeSwap', ({ detail }) => {
    const active = document.activeElement, place = detail.target.closest('tr') || detail.target;
    had = detail.shouldSwap && place.contains(active) ? active.id || true : null;
  });
  document.addEventListener('htmx:afterSettle', ({ detail }) => {
    const lost = had;
    had = null;
    if (!lost || document.activeElement !== document.body) return;
    const row = document.getElementById(detail.target?.closest('tr')?.id);
    const same = lost !== true && document.getElementById(lost);
    toFocus(same || row?.querySelector('[aria-invalid], button') || detail.elt);
  });

  /* A request that did not arrive: the page and what was typed stay, and it is said. */
  function failed({ detail }) {
    if (detail.elt.hasAttribute('data-live')) return;
    const { status } = detail.xhr;
    if (status === 401) return; // on its way to the sign-in page
    window.dash.toast(status === 403
      ? 'Not saved. You may not do this, or the page is too old. Reload it and try again.'
      : 'Not saved. The connection dropped or the server had a problem. Your text is still here, try again.', 'bad');
  }
  for (const name of ['htmx:responseError', 'htmx:sendError', 'htmx:timeout']) {
    document.addEventListener(name, failed);
  }

  /* hx-confirm in the page's own dialog. */
  document.addEventListener('htmx:confirm', async (event) => {
    const { question, elt, issueRequest } = event.detail;
    if (!question) return;
    event.preventDefault();
    const { confirmText: text, yes, no } = elt.dataset;
    if (await window.dash.ask({ title: question, text, yes, no })) issueRequest(true);
  });
  chip();
})();
