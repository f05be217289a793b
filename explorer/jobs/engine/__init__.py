"""The engine: claims jobs like a worker, and has the nodes of a Ray cluster answer their shares."""
