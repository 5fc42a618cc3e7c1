/* Filters and sorting of the claims, by DataTables. Without this script the page shows all of them. */
"use strict";

// The report was one page once: a link to what stands on another one now goes on to there.
const moved = JSON.parse(document.getElementById("moved").textContent);
const goOn = () => {
  const anchor = location.hash.slice(1);
  if (!document.getElementById(anchor) && moved[anchor]) location.replace(`${moved[anchor]}.html#${anchor}`);
};
window.addEventListener("hashchange", goOn);
goOn();

window.datatables.then(({ default: DataTable }) => {
  const [form, text, sort] = ["filter", "text", "sort"].map((id) => document.getElementById(id));
  const choices = [...form.querySelectorAll("select")].filter((select) => select !== sort);
  const audit = new DataTable("#claims", {
    autoWidth: false,
    order: [],
    pageLength: window.matchMedia("(max-width: 56rem)").matches ? 10 : 25,
    lengthMenu: [10, 25, 50, { label: "all", value: -1 }],
    columnDefs: [{ targets: [5, 6], type: "num" }, { targets: 8, orderable: false }],
    layout: { topStart: "info", topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" },
    language: { entries: { _: "claims", 1: "claim" }, zeroRecords: "No claim is like this." },
  });
  audit.search.fixed("choices", (_words, _cells, at) => {
    const data = audit.row(at).node().dataset;
    return choices.every(({ id, value }) => value.split(" or ").some((part) => data[id].startsWith(part)));
  });
  const draw = () => audit.search(text.value, { smart: false }).draw();
  for (const event of ["input", "change"]) form.addEventListener(event, draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => audit.order([]) && draw()));
  sort.addEventListener("change", () => audit.order(sort.value ? [[Number(sort.value), "asc"]] : []).draw());
  form.hidden = false;
  let shown = audit.page.len(); // on paper stand all that the filters leave
  window.addEventListener("beforeprint", () => {
    shown = audit.page.len();
    audit.page.len(-1).draw();
  });
  window.addEventListener("afterprint", () => audit.page.len(shown).draw());

  for (const link of document.querySelectorAll("a.score")) {
    link.addEventListener("click", () => {
      form.reset();
      for (const name of ["paper", "verdict", "fitted"]) document.getElementById(name).value = link.dataset[name];
    });
  }

  // A link to a claim leads to its row, whatever is filtered and on whichever page it stands.
  const reveal = () => {
    const row = location.hash.startsWith("#claim-") && audit.row(location.hash).node();
    if (!row) return;
    for (const field of [...choices, text]) field.value = "";
    draw();
    const at = audit.rows({ order: "applied", search: "applied" }).nodes().toArray().indexOf(row);
    audit.page(Math.max(0, Math.floor(at / audit.page.len()))).draw("page");
    row.tabIndex = -1;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", reveal);
  reveal();
  document.documentElement.dataset.ready = "true";
});
