"""Questions with numbers, by whichever arithmetic answers them."""
