"use strict";
const onlyFailures = document.getElementById("failures");
const search = document.getElementById("search");
function show() {
  const text = search.value.toLowerCase();
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const article of section.querySelectorAll("article")) {
      const wanted = (!onlyFailures.checked || article.classList.contains("failure")) && article.id.includes(text);
      article.hidden = !wanted;
      any = any || wanted;
    }
    section.hidden = !any;
  }
}
onlyFailures.addEventListener("change", show);
search.addEventListener("input", show);
document.addEventListener("click", (event) => {
  // A cell leads to its case even while the case is filtered out.
  if (event.target.matches(".cell[href]")) { onlyFailures.checked = false; search.value = ""; show(); }
});
