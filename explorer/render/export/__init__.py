"""Files for papers: figures, animations, tables, and the provenance inside them."""
