"""Recording from training loops of others, which are imported only where they are used."""
