"""Cards of networks, runs and pretrainings, and what one does with a catalogue of them."""
