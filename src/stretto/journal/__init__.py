"""What makes a run durable: its events on disk, and the values in them."""
