"""The one process per catalog that starts workers and brings their pieces home."""
