"""The report on both papers: pages to read, tables to paste, and the README's results, made from `reports/`."""
