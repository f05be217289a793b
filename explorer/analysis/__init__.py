"""How each kind is answered: torch and scipy. Imports neither streamlit nor duckdb nor a drawing library."""
