"""What a network has to offer, and the one loop that trains all of them."""
