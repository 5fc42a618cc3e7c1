"""The papers' figures and tables, published beside measured; what they show is computed elsewhere."""
