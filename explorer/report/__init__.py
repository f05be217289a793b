"""A study as one file for those who have neither this program nor the catalog."""
