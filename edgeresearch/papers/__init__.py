"""The study of both papers: published numbers, experiments, figures, claims, the report."""
