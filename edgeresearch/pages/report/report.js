/* Filters and sorting of the claims, by DataTables. Without this script the page shows all of them. */
"use strict";

window.datatables.then(({ default: DataTable }) => {
  const form = document.getElementById("filter");
  const choices = ["paper", "verdict", "kind", "fitted"].map((name) => document.getElementById(name));
  const text = document.getElementById("text");
  const sort = document.getElementById("sort");
  const narrow = window.matchMedia("(max-width: 56rem)");
  const audit = new DataTable("#claims", {
    autoWidth: false,
    order: [],
    pageLength: narrow.matches ? 10 : 25,
    lengthMenu: [10, 25, 50, { label: "all", value: -1 }],
    columnDefs: [{ targets: [5, 6], type: "num" }, { targets: 8, orderable: false }],
    layout: { topStart: "info", topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" },
    language: {
      info: "_START_ to _END_ of _TOTAL_ claims",
      infoEmpty: "no claims",
      infoFiltered: "(_MAX_ in all)",
      lengthMenu: "_MENU_ on a page",
      zeroRecords: "No claim is like this.",
    },
  });

  audit.search.fixed("choices", (_words, _cells, at) => {
    const { paper, verdict, kind, fitted, group } = audit.row(at).node().dataset;
    const of = { paper: [paper], verdict: [verdict, group], kind: [kind], fitted: [fitted] };
    return choices.every((choice) => choice.value === "" || of[choice.id].includes(choice.value));
  });

  const draw = () => audit.search(text.value, { smart: false }).draw();
  for (const event of ["input", "change"]) form.addEventListener(event, draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => audit.order([]) && draw()));
  sort.addEventListener("change", () => audit.order(sort.value === "" ? [] : [[Number(sort.value), "asc"]]).draw());
  form.hidden = false;

  for (const link of document.querySelectorAll("a.score")) {
    link.addEventListener("click", () => {
      form.reset();
      document.getElementById("paper").value = link.dataset.paper;
      document.getElementById("verdict").value = link.dataset.verdict;
      setTimeout(draw);
    });
  }

  // A link to a claim leads to its row, whatever is filtered and on whichever page it stands.
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id.startsWith("claim-")) return;
    const found = () => audit.rows({ order: "applied", search: "applied" }).nodes().toArray().findIndex((row) => row.id === id);
    if (found() < 0) {
      for (const choice of choices) choice.value = "";
      text.value = "";
      draw();
    }
    const at = found();
    if (at < 0) return;
    const length = audit.page.len();
    audit.page(length > 0 ? Math.floor(at / length) : 0).draw("page");
    const row = document.getElementById(id);
    row.tabIndex = -1;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", reveal);
  reveal();
  document.documentElement.dataset.ready = "true";
});
