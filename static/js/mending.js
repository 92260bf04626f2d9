/* A row of the review that was saved is drawn anew. What was typed into it meanwhile stays in its
   fields, and is saved in its turn. */
(() => {
  const FORM = 'form[id^="mend-"]';
  const sent = new WeakMap(); // form -> its values as they were sent last
  const asked = new WeakSet(); // forms that were to be saved while they were being saved
  const fields = (form) => [...form.elements].filter((one) => one.matches('input.in, textarea.in'));
  const valuesOf = (form) => new Map(fields(form).map((one) => [one.name, one.value]));

  document.addEventListener('htmx:beforeRequest', ({ detail }) => {
    if (!detail.elt.matches(FORM)) return;
    sent.set(detail.elt, valuesOf(detail.elt));
    asked.delete(detail.elt);
  });
  document.addEventListener('submit', ({ target }) => asked.add(target), true);

  document.addEventListener('htmx:oobBeforeSwap', ({ detail }) => {
    const form = detail.target.querySelector(FORM);
    const known = form && sent.get(form);
    if (!known) return;
    const typed = fields(form).filter((one) => one.value !== known.get(one.name));
    const kept = typed.map((one) => keep(one, detail.fragment)).filter(Boolean);
    const isTyping = kept.some((one) => one.id === document.activeElement.id);
    // Not while somebody types: a half of a name may be a good one.
    if (!kept.length || (isTyping && !asked.has(form))) return;
    setTimeout(() => document.getElementById(form.id)?.requestSubmit(), 50);
  });
  function keep(old, fragment) {
    const next = fragment.querySelector(`#${CSS.escape(old.id)}`);
    if (next) {
      next.value = old.value;
      next.dataset.unsaved = '';
    }
    return next;
  }

  /* The browser calls a value changed only when it was typed after the field got the focus. */
  document.addEventListener('change', ({ target }) => { delete target.dataset.unsaved; }, true);
  document.addEventListener('focusout', ({ target }) => {
    if ('unsaved' in target.dataset) target.dispatchEvent(new Event('change', { bubbles: true }));
  });
})();
