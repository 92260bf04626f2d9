/* What a page does without the server: selection, keys, theme, dialogs, toasts, relative times.
   Delegated listeners only, so that swapped fragments need no setting up. */
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;

  /* Things said aloud: one polite and one urgent region, outside all swaps. */
  function speak(region, text) {
    if (!region) return;
    region.textContent = '';
    setTimeout(() => { region.textContent = text; }, 50);
  }
  const say = (text) => speak($('#sr-status'), text);
  const alarm = (text) => speak($('#sr-alert'), text);

  /* A preference is a cookie, so that the server renders it and nothing flashes. */
  function remember(name, value) {
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `${name}=${value}; path=/; max-age=31536000; SameSite=Lax${secure}`;
  }

  /* Toasts only repeat what the page shows; errors stay until dismissed. */
  const SHAPES = { good: 'attended', bad: 'failed', warn: 'unsure', busy: 'info' };
  function settle(toast) {
    if (toast.dataset.toast === 'bad') return;
    let timer;
    const start = () => { timer = setTimeout(() => toast.remove(), 8000); };
    const hold = () => clearTimeout(timer);
    toast.addEventListener('pointerenter', hold);
    toast.addEventListener('pointerleave', start);
    toast.addEventListener('focusin', hold);
    toast.addEventListener('focusout', start);
    start();
  }
  function toast(text, tone = 'busy') {
    const item = $('#toast-shape').content.firstElementChild.cloneNode(true);
    const use = $('use', item);
    item.className = `toast is-${tone}`;
    item.dataset.toast = tone;
    use.setAttribute('href', use.getAttribute('href').replace(/#.*/, `#g-${SHAPES[tone] || 'info'}`));
    $('[data-toast-text]', item).textContent = text;
    $('#toasts').append(item);
    settle(item);
    if (tone === 'bad') alarm(text);
  }

  /* One dialog asks before anything that cannot be undone; the safe button has the focus. */
  function ask({ title, text = '', yes = 'Continue', no = 'Keep as is', type = '' }) {
    const dialog = $('#ask'), go = $('#ask-yes'), typed = $('#ask-typed');
    $('#ask-title').textContent = title;
    $('#ask-text').textContent = text;
    $('#ask-text').hidden = !text;
    $('#ask-no').textContent = no;
    go.textContent = yes;
    $('#ask-type').hidden = !type;
    $('#ask-word').textContent = type;
    typed.value = '';
    go.disabled = Boolean(type);
    typed.oninput = () => { go.disabled = Boolean(type) && typed.value.trim() !== type; };
    dialog.returnValue = '';
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    });
  }
  const confirmed = new WeakSet();
  document.addEventListener('submit', async (event) => {
    const form = event.target, by = event.submitter;
    const asking = by?.dataset.confirm ? by : form;
    if (!asking.dataset.confirm || confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { confirm, confirmText, yes, no, confirmType } = asking.dataset;
    if (await ask({ title: confirm, text: confirmText, yes, no, type: confirmType })) {
      confirmed.add(form);
      form.requestSubmit(by);
    }
  }, true);

  /* Selection of rows; the bulk bar itself appears by CSS. */
  let anchor = null;
  const boxes = () => $$('[data-sel]');
  function paint(aloud = true) {
    const count = boxes().filter((box) => box.checked).length, all = $('[data-sel-all]');
    $$('[data-sel-count]').forEach((place) => { place.textContent = count; });
    if (all) {
      all.checked = count > 0 && count === boxes().length;
      all.indeterminate = count > 0 && !all.checked;
    }
    if (aloud) say(count ? `${count} selected` : 'Selection cleared');
  }
  function tick(chosen, value) {
    chosen.forEach((box) => { box.checked = value; });
    paint();
  }
  function tickTo(box) {
    const all = boxes(), [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
    tick(from < 0 ? [box] : all.slice(from, to + 1), true);
  }

  document.addEventListener('change', (event) => {
    const box = event.target;
    if (box.matches('[data-sel-all]')) tick(boxes(), box.checked);
    else if (box.matches('[data-sel]')) { anchor = box; paint(); }
    else if (box.matches('[data-keys-toggle]')) {
      document.body.dataset.keys = box.checked ? 'on' : 'off';
      remember('keys', document.body.dataset.keys);
    } else if (box.matches('[data-autosubmit]')) box.form.requestSubmit();
  });

  /* Buttons, by their data attribute. */
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const ACTIONS = {
    open: (button) => $(`#${button.dataset.open}`)?.showModal(),
    selClear: () => { tick(boxes(), false); $('[data-sel-all]')?.focus(); },
    themeToggle: () => {
      const now = root.dataset.theme || (dark.matches ? 'dark' : 'light');
      root.dataset.theme = now === 'dark' ? 'light' : 'dark';
      remember('theme', root.dataset.theme);
    },
    densitySet: (button) => {
      root.dataset.density = button.dataset.densitySet;
      remember('density', root.dataset.density);
      $$('[data-density-set]').forEach((b) => b.setAttribute('aria-pressed', String(b === button)));
    },
    copy: (button) => navigator.clipboard?.writeText(button.dataset.copy).then(() => say('Copied')),
    print: () => window.print(),
    toastClose: (button) => button.closest('.toast').remove(),
    fill: (button) => {
      const field = document.getElementById(button.dataset.fill);
      field.value = button.dataset.value;
      field.dispatchEvent(new Event('change', { bubbles: true }));
      field.focus();
    },
  };
  function toField(link) {
    const field = document.getElementById(link.hash.slice(1));
    if (!field) return false;
    ($(`label[for="${CSS.escape(field.id)}"]`) || field).scrollIntoView({ block: 'center' });
    const control = field.matches('fieldset') ? $('input', field) : field;
    control.focus({ preventScroll: true });
    return true;
  }
  document.addEventListener('click', (event) => {
    $$('details.facet[open]').forEach((d) => { if (!d.contains(event.target)) d.open = false; });
    const link = event.target.closest('.errsum a[href^="#"]');
    if (link && toField(link)) event.preventDefault();
    for (const [name, act] of Object.entries(ACTIONS)) {
      const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      const button = event.target.closest(`[data-${attribute}]`);
      if (button) act(button);
    }
  });

  /* A file may be dropped anywhere on its zone. */
  const zoneOf = (event) => event.target.closest?.('.drop');
  function over(zone, value) {
    if (!zone || zone.hasAttribute('data-over') === value) return;
    zone.toggleAttribute('data-over', value);
    say(value ? 'The file can be dropped here' : 'Nothing was dropped');
  }
  document.addEventListener('dragover', (event) => {
    const zone = zoneOf(event);
    if (!zone || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    over(zone, true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!zoneOf(event)?.contains(event.relatedTarget)) over(zoneOf(event), false);
  });
  document.addEventListener('drop', (event) => {
    const zone = zoneOf(event), { files } = event.dataTransfer;
    if (!zone || !files.length) return;
    event.preventDefault();
    zone.removeAttribute('data-over');
    if (files.length > 1) { toast('Drop one file at a time', 'bad'); return; }
    $('input[type="file"]', zone).files = files;
    say('The file is chosen');
  });

  /* Keys move real focus over real links. A key that a control claims by aria-keyshortcuts presses it. */
  const TYPING = 'input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]';
  let going = 0;
  const seen = (element) => element.checkVisibility?.() ?? true;
  const rowOf = (element) => element.closest('tr, li');
  function step(links, now, by) {
    links[Math.min(Math.max(now + by, 0), links.length - 1)]?.focus();
  }
  function press(key) {
    const control = $$(`[aria-keyshortcuts="${CSS.escape(key)}"]`).find(seen);
    if (!control) {
      if (key === '/') $('#find')?.showPopover?.();
      return key === '/';
    }
    if (control.matches('input')) control.focus(); else control.click();
    return true;
  }
  function escape(typing) {
    const facet = $('details.facet[open]');
    if (facet) { facet.open = false; $('summary', facet).focus(); }
    else if (!typing && !$('dialog[open]') && boxes().some((b) => b.checked)) tick(boxes(), false);
  }
  document.addEventListener('keydown', (event) => {
    const { key } = event, typing = event.target.closest(TYPING);
    if (key === 'Escape') { escape(typing); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if ($('dialog[open]') || document.body.dataset.keys === 'off') return;
    if (Date.now() - going < 1200) {
      going = 0;
      $(`[data-go="${CSS.escape(key)}"]`)?.click();
      return;
    }
    const links = $$('[data-row-link]').filter(seen);
    const now = links.findIndex((link) => rowOf(link)?.contains(document.activeElement));
    if (key === 'g') going = Date.now();
    else if (key === 'j' || key === 'k') step(links, now, key === 'j' ? 1 : -1);
    else if (key === 'x' || key === 'X') {
      const box = now >= 0 && $('[data-sel]', rowOf(links[now]));
      if (!box) return;
      if (event.shiftKey) tickTo(box); else tick([box], !box.checked);
      anchor = box;
    } else if (key.length === 1 && press(key)) event.preventDefault();
  });
  $('#find')?.addEventListener('toggle', (event) => {
    if (event.newState === 'open') $('#find-text').focus();
  });

  /* Relative times: absolute on the wire, so that fragments and their ETags stay the same. */
  function ago(then) {
    const minutes = Math.round((Date.now() - then) / 60000), gap = Math.abs(minutes);
    if (gap < 1) return 'just now';
    const text = gap < 60 ? `${gap} min` : gap < 1440 ? `${Math.round(gap / 60)} h` : '';
    return text && (minutes > 0 ? `${text} ago` : `in ${text}`);
  }
  function relate() {
    $$('time[data-relative]').forEach((time) => {
      if (!time.title) time.title = time.textContent;
      time.textContent = ago(new Date(time.dateTime)) || time.title;
    });
  }
  setInterval(relate, 30000);

  function arrive(part) {
    relate();
    $('[data-focus]', part)?.focus();
  }
  document.addEventListener('htmx:afterSettle', (event) => { arrive(event.target); paint(false); });
  $$('#toasts .toast').forEach((item) => {
    settle(item);
    const text = $('[data-toast-text]', item).textContent;
    if (item.dataset.toast === 'bad') alarm(text); else say(text);
  });
  arrive(document);
  paint(false);
  window.dash = { say, alarm, ask, toast };
})();
