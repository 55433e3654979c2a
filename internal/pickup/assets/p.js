// Everything here is a comfort: the pages work without it.
(function () {
  "use strict";

  var token = /^[A-Za-z0-9_-]{22}$/;
  var form = document.querySelector("form[data-link]");

  // A link's token stands in the fragment, which is not sent to anybody. It
  // goes into the form and out of the address bar. It stays in what leads to
  // the same forms, so that a wrong code does not mean to look for the link
  // again.
  function take() {
    var hash = location.hash.slice(1);
    if (!hash || hash === "top") return;
    if (document.getElementById(hash)) return;
    history.replaceState(null, "", location.pathname + location.search);
    if (!form) return;
    if (token.test(hash)) {
      form.elements.token.value = hash;
      form.elements.reference.value = "";
      document.querySelector("[data-reference]").hidden = true;
      document.querySelectorAll("a[data-keep]").forEach(function (a) { a.hash = hash; });
    } else {
      try { form.elements.reference.value = decodeURIComponent(hash).slice(0, 40); } catch (e) { /* not ours */ }
    }
  }
  take();
  window.addEventListener("hashchange", take);

  // A page of the back/forward cache shows what is over.
  window.addEventListener("pageshow", function (e) { if (e.persisted) location.reload(); });

  var problems = document.querySelector(".problems");
  if (problems) problems.focus();
  document.querySelectorAll(".problems a").forEach(function (a) {
    a.addEventListener("click", function (e) {
      var field = document.getElementById(a.hash.slice(1));
      if (!field) return;
      e.preventDefault();
      field.focus();
      field.scrollIntoView({ block: "center" });
    });
  });

  document.querySelectorAll("form").forEach(function (f) {
    f.addEventListener("submit", function (e) {
      if (f.dataset.sent) { e.preventDefault(); return; }
      f.dataset.sent = "yes";
      if (f === form) {
        var kept = f.elements.token.value || f.elements.reference.value.trim();
        f.action = f.getAttribute("action").split("#")[0] + (kept ? "#" + encodeURIComponent(kept) : "");
      }
      var button = f.querySelector("button[type=submit]");
      button.setAttribute("aria-disabled", "true");
      if (f.dataset.busy) f.querySelector(".live").textContent = f.dataset.busy;
    });
  });

  if (navigator.clipboard) {
    document.querySelectorAll("button[data-copy]").forEach(function (b) {
      b.hidden = false;
      b.addEventListener("click", function () {
        navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent).then(function () {
          var live = b.parentNode.querySelector(".live");
          live.textContent = "";
          setTimeout(function () { live.textContent = b.dataset.copied; }, 50);
        });
      });
    });
  }

  // The page asks in the background and moves on only when something changed:
  // a reload every few seconds would start a screen reader over and over. For the
  // same reason nothing does it without this script; there is a button.
  var poll = document.querySelector("[data-poll]");
  if (poll) {
    poll.querySelector("[hidden]").hidden = false;
    var left = 600;
    (function ask() {
      if (left-- === 0) return;
      setTimeout(function () {
        fetch(poll.dataset.poll, { credentials: "same-origin", cache: "no-store" }).then(function (r) {
          return r.ok ? r.text() : poll.dataset.state;
        }).then(function (state) {
          if (state.trim() !== poll.dataset.state) location.reload();
          else ask();
        }, ask);
      }, 3000);
    })();
  }

  // When the window closes, the pass goes from the screen.
  var window_ = document.querySelector("[data-left]");
  if (window_) setTimeout(function () { location.reload(); }, Math.min(Number(window_.dataset.left), 86400) * 1000);
})();
