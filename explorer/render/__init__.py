"""Results become charts, scenes, figures and exports. No torch, no streamlit."""
