"""What was lost and what it cost: measures, noise, transfer, pictures."""
