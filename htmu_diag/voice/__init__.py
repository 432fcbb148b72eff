"""What a run says while it goes on: the line at its beginning, what should be heard of once, the table at its end."""
