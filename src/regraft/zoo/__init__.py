"""What needs no other room on its floor: scores of transferability, and what is known of published networks."""
