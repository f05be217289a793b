"""How each kind is answered, with torch: no streamlit, no duckdb, no drawing library."""
