"""What crosses the borders between rooms and processes: frozen records of plain values."""
