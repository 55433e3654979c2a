// The hands and eyes of the scanner; scan.go says what for.
var hands = (() => {
  const sameOrigin = a => a.origin === location.origin && a.protocol.startsWith("http");
  const presses = () => [...document.querySelectorAll(
    "a[href], button, summary, input[type=submit], input[type=button], input[type=image], [role=button], [onclick]")]
    .filter(e => e.localName !== "a" || sameOrigin(e));
  const groups = () => {
    const all = {};
    for (const r of document.querySelectorAll("input[type=radio]")) (all[r.name] ??= []).push(r);
    return Object.values(all);
  };
  const lists = () => [...document.querySelectorAll("select")];

  // What somebody would type there who knows nothing.
  function junk(e, choice) {
    switch (e.type) {
      case "email": return "scanner@example.net";
      case "tel": return "+15555550100";
      case "url": return "https://example.net/";
      case "date": return "2000-01-01";
      case "number": return e.min || "1";
      case "password": return "Passw0rd!";
    }
    const digits = e.inputMode === "numeric" || e.autocomplete === "one-time-code";
    const text = digits ? String(choice + 1).repeat(6) : ["Scanner", "ABCDE12345", "true"][choice % 3];
    return e.maxLength > 0 ? text.slice(0, e.maxLength) : text;
  }

  const unseen = e => e.tabIndex < 0 || e.closest("[aria-hidden=true], [hidden]") !== null;

  function fill(choice, empty, wary) {
    for (const e of document.querySelectorAll("input, textarea")) {
      if (wary && unseen(e)) continue;
      if (["hidden", "submit", "button", "image", "reset", "radio", "file"].includes(e.type)) continue;
      if (e.type === "checkbox") { e.checked = true; }
      else if (!empty) { e.value = junk(e, choice); }
      e.dispatchEvent(new Event("input", { bubbles: true }));
      e.dispatchEvent(new Event("change", { bubbles: true }));
    }
    for (const g of groups()) {
      const e = g[choice % g.length];
      e.checked = true;
      e.dispatchEvent(new Event("change", { bubbles: true }));
    }
    for (const e of lists()) {
      e.selectedIndex = choice % Math.max(1, e.options.length);
      e.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  return {
    look() {
      const forms = [...document.forms].map(f => ({
        action: new URL(f.getAttribute("action") || "", location.href).href,
        fields: Object.fromEntries([...new FormData(f)].filter(([, v]) => typeof v === "string")),
      }));
      const parts = presses().map(e => e.localName + ":" + (e.innerText || e.value || "").trim().slice(0, 40));
      return {
        // Tokens in addresses and what was typed do not make another page.
        signature: [location.pathname, document.title, ...parts,
          ...[...document.querySelectorAll("h1, input, select, textarea")].map(e => e.name || e.innerText)].join("|"),
        source: document.documentElement.outerHTML,
        text: document.body?.innerText ?? "",
        url: location.href,
        presses: presses().length,
        choices: Math.min(4, Math.max(1, ...groups().map(g => g.length), ...lists().map(l => l.options.length))),
        forms,
      };
    },
    press({ kind, n, choice, empty, wary }) {
      window.open = address => { location.href = address; };
      for (const e of document.querySelectorAll("[target]")) e.removeAttribute("target");
      for (const f of document.forms) f.noValidate = true;
      fill(choice, empty, wary);
      if (kind === "submit") {
        const f = document.forms[n];
        if (f) HTMLFormElement.prototype.submit.call(f);
      } else {
        presses()[n]?.click();
      }
      return true;
    },
  };
})();
