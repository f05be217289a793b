"""Surfaces in three dimensions: heights, scenes, stills, meshes, the renderer process."""
