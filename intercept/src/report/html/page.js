"use strict";
const onlyFailures = document.getElementById("failures");
const search = document.getElementById("search");
const verdict = document.getElementById("verdict");
const shown = document.getElementById("shown");

function show() {
  const text = search.value.toLowerCase();
  let count = 0;
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const article of section.querySelectorAll("article")) {
      const wanted = (!onlyFailures.checked || article.classList.contains("failure"))
        && article.id.includes(text)
        && (verdict.value === "" || article.dataset.verdicts.split(" ").includes(verdict.value));
      article.hidden = !wanted;
      any = any || wanted;
      count += wanted;
    }
    section.hidden = !any;
  }
  shown.textContent = count + " shown";
}

// The filter is kept in the address, behind "#?", so that a link shows what was seen.
function keep() {
  const filter = new URLSearchParams();
  if (onlyFailures.checked) filter.set("failures", "1");
  if (search.value) filter.set("name", search.value);
  if (verdict.value) filter.set("verdict", verdict.value);
  history.replaceState(null, "", "#?" + filter);
  show();
}

function restore() {
  if (location.hash.startsWith("#?")) {
    const filter = new URLSearchParams(location.hash.slice(2));
    onlyFailures.checked = filter.has("failures");
    search.value = filter.get("name") || "";
    verdict.value = filter.get("verdict") || "";
  }
  show();
}

onlyFailures.addEventListener("change", keep);
search.addEventListener("input", keep);
verdict.addEventListener("change", keep);
window.addEventListener("hashchange", restore);
document.addEventListener("click", (event) => {
  // A link leads to its case even while the case is filtered out.
  const link = event.target.closest("a[href^='#case-']");
  const target = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (target && target.hidden) {
    onlyFailures.checked = false;
    search.value = "";
    verdict.value = "";
    show();
  }
});
restore();
