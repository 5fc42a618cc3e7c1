"""The report: one site of claims, figures and tables, and the exports and README made from the same results."""
